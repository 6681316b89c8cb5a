/*
 * A QEMU plugin that counts the instructions that a program executes on 64-bit ARM: all of them, those of the vector and
 * floating-point unit, and loads and stores. `make instructions-aarch64` runs it; docs/platforms.md uses the result.
 *
 * The file declares the parts of QEMU's plugin interface (version 1) that it uses, because Debian does not package the header.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

#define EXPORT __attribute__((visibility("default")))
#define THREADS 1024

EXPORT int qemu_plugin_version = 1;

struct counts {
    uint64_t all, vector, memory;
};

/* One entry per thread, so that no thread overwrites another's counts. */
static struct counts executed[THREADS];

static void add(struct counts *sum, const struct counts *more)
{
    sum->all += more->all;
    sum->vector += more->vector;
    sum->memory += more->memory;
}

static void count_block(unsigned thread, void *block)
{
    add(&executed[thread % THREADS], block);
}

static void prepare_block(plugin_id id, struct qemu_plugin_tb *block)
{
    struct counts *counts = calloc(1, sizeof *counts);
    (void)id;
    if (!counts)
        abort();
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        /* Bits 25 to 28 of an A64 instruction identify its group. */
        uint32_t group = *(const uint32_t *)qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)) >> 25 & 0xf;
        counts->all++;
        counts->vector += (group & 0x7) == 0x7;
        counts->memory += (group & 0x5) == 0x4;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(block, count_block, 0, counts);
}

static void print_counts(plugin_id id, void *unused)
{
    struct counts sum = {0};
    (void)id, (void)unused;
    for (size_t i = 0; i < THREADS; i++)
        add(&sum, &executed[i]);
    fprintf(stderr, "instructions %" PRIu64 ", vector %" PRIu64 ", loads and stores %" PRIu64 "\n", sum.all, sum.vector, sum.memory);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, prepare_block);
    qemu_plugin_register_atexit_cb(id, print_counts, NULL);
    return 0;
}
