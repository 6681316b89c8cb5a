# `make run` plays music and `make test` runs the tests; both install their dependencies on a bare Debian or Ubuntu with a Rust toolchain.

.PHONY: run build build-corpus runtime install deb dist packages-build packages-test \
	build-tests test lint test-training lint-training lock-training test-tract test-link test-aarch64 test-emulated instructions-aarch64 instructions-emulated test-deb test-container evaluate bench soak night flood faults week fuzz salamander

CARGO ?= cargo
PYTHON ?= python3
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
VENV := .venv
NODE_CLIENTS := tests/clients/node/node_modules

# Lint and fuzzing tools, at pinned versions.
TOOLS := target/tools/bin
cargo-machete := 0.9.2
cargo-deny := 0.20.2
cargo-fuzz := 0.13.2

# Build dependencies, and the third-party servers and clients that the tests use.
BUILD_PACKAGES := gcc pkg-config libasound2-dev libjack-jackd2-dev python3 python3-pip
TEST_PACKAGES := jackd2 jack-capture sndfile-programs liblo-tools curl pulseaudio pulseaudio-utils puredata-core \
	systemd supercollider-language arduino-core-avr gcc-avr avr-libc python3-venv iproute2 e2fsprogs mount mosquitto mosquitto-clients chromium zsh fish $(if $(shell command -v npm),,npm)

run: build runtime
	./target/release/melos run $(ARGS)

# Tests that need neither an audio server nor a playing daemon.
OFFLINE := --lib --bins --test=offline --test=realtime --test=corpus_tools

build-tests: packages-build
	$(CARGO) test --locked --workspace --no-run

test: export MELOS_TEST_PYTHON := $(CURDIR)/$(VENV)/bin/python
test: packages-build packages-test runtime $(VENV)/ready $(NODE_CLIENTS)
	$(CARGO) test --locked --workspace $(OFFLINE)
	$(CARGO) test --locked --workspace --test=live untimed::
	$(CARGO) test --locked --workspace --test=live -- --test-threads=1 --skip untimed::

# Checks formatting, lints, documentation, spelling, unused dependencies and licences.
lint: packages-build $(VENV)/ready $(TOOLS)/cargo-machete $(TOOLS)/cargo-deny
	$(call install,libpipewire-0.3-dev libclang-dev cmake g++)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --features link,pipewire -- -D warnings
	$(CARGO) clippy --locked --lib -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --workspace
	$(VENV)/bin/typos
	$(TOOLS)/cargo-machete
	$(TOOLS)/cargo-deny --locked check --hide-inclusion-graph bans licenses sources

# Debug builds, because compiling these tools takes longer than running them.
$(TOOLS)/%:
	CARGO_PROFILE_DEV_DEBUG=false $(CARGO) install --locked --debug --root target/tools $*@$($*)

build-corpus: packages-build
	$(CARGO) build --release --locked -p melos-corpus

build: packages-build
	$(CARGO) build --release --locked $(TARGET:%=--target %)

# With TARGET=aarch64-unknown-linux-gnu, `make deb` and `make dist` cross-compile for 64-bit ARM on x86-64 with Debian's
# cross-compiler and libraries; see docs/platforms.md.
TARGET ?=
MACHINE := $(or $(firstword $(subst -, ,$(TARGET))),$(shell uname -m))
BUILT := target/$(TARGET:%=%/)release/melos
CROSS := $(filter-out $(shell uname -m),$(MACHINE))
RUNTIME := runtime$(CROSS:%=/%)
ifneq ($(CROSS),)
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER := aarch64-linux-gnu-gcc
export PKG_CONFIG_ALLOW_CROSS := 1
export PKG_CONFIG_LIBDIR := /usr/lib/$(MACHINE)-linux-gnu/pkgconfig:/usr/share/pkgconfig
BUILD_PACKAGES += gcc-aarch64-linux-gnu libc6-dev-arm64-cross libasound2-dev:arm64 libjack-jackd2-dev:arm64 libstdc++6:arm64 qemu-user-static
packages-build: toolchain
endif

.PHONY: toolchain
toolchain:
	@dpkg --print-foreign-architectures | grep -qx arm64 || $(SUDO) dpkg --add-architecture arm64
	rustup target add $(TARGET)

# Installs to $(DESTDIR)$(PREFIX): run `make build runtime`, then `sudo make install`.
PREFIX ?= /usr/local

install: target/release/melos runtime/libonnxruntime.so
	DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) packaging/install.sh $<

# Builds a Debian package and a portable archive in target/.
deb: build runtime
	$(call install,dpkg-dev)
	packaging/deb.sh $(BUILT) target

dist: build runtime
	packaging/dist.sh $(BUILT) target

# Tests the package in a minimal booted Debian: installs, plays, steers, upgrades and removes it; then runs the portable archive.
# Needs root and systemd-nspawn.
test-deb: deb dist
	$(call install,mmdebstrap systemd-container)
	$(SUDO) $(PYTHON) packaging/test.py target

# Builds the container image from the package and plays in it. Needs root.
test-container: deb
	$(call install,mmdebstrap buildah jackd2 pulseaudio)
	$(SUDO) $(PYTHON) packaging/test_container.py target

target/release/melos:
	$(MAKE) build

# Installs only missing packages, so that a machine that has them all needs neither root nor a network.
define install
	@missing=; for package in $(1); do dpkg-query -Wf '$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
		$(SUDO) apt-get update -q && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -yq --no-install-recommends $$missing; fi
endef

packages-build:
	$(call install,$(BUILD_PACKAGES))

packages-test:
	$(call install,$(TEST_PACKAGES))

# The inference runtime: the library from the pinned wheel, checked by hash (x86_64, then aarch64).
ONNXRUNTIME := 1.24.4
ONNXRUNTIME_HASHES := \
	--hash=sha256:0d640eb9f3782689b55cfa715094474cd5662f2f137be6a6f847a594b6e9705c \
	--hash=sha256:1a5c5a544b22f90859c88617ecb30e161ee3349fcc73878854f43d77f00558b5

runtime: $(RUNTIME)/libonnxruntime.so

$(RUNTIME)/libonnxruntime.so:
	@mkdir -p $(@D)
	@echo "onnxruntime==$(ONNXRUNTIME) $(ONNXRUNTIME_HASHES)" > $(@D)/requirements.txt
	$(PYTHON) -m pip download -q --require-hashes --no-deps --only-binary=:all: --platform manylinux_2_28_$(MACHINE) \
		--python-version 3.12 --implementation cp --abi cp312 -d $(@D) -r $(@D)/requirements.txt
	$(PYTHON) -m zipfile -e $(@D)/onnxruntime-$(ONNXRUNTIME)-*.whl $(@D)/wheel
	cp $(@D)/wheel/onnxruntime/LICENSE $(@D)/wheel/onnxruntime/ThirdPartyNotices.txt $(@D)/
	cp $(@D)/wheel/onnxruntime/capi/libonnxruntime.so.$(ONNXRUNTIME) $@
	rm -r $(@D)/wheel $(@D)/onnxruntime-*.whl

# The Node.js clients that the tests use.
$(NODE_CLIENTS): tests/clients/node/package-lock.json
	npm ci --prefix $(<D) --no-audit --no-fund --silent
	touch $@

# Downloads the concert grand with which corpora are rendered (samples from npm, 79 MB, CC BY 3.0), and checks the hashes.
salamander:
	$(if $(shell command -v npm),,$(call install,npm))
	npm ci --prefix crates/corpus/pianos/salamander --ignore-scripts --no-audit --no-fund --silent

# The Python clients that the tests use.
$(VENV)/ready: tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r tests/requirements.txt
	touch $@

# The Python interpreter for the training code and the evaluation.
TRAINING_PYTHON ?= models/training/.venv/bin/python

models/training/.venv/ready: models/training/requirements.lock
	$(PYTHON) -m venv models/training/.venv
	models/training/.venv/bin/pip install -q --require-hashes -r models/training/requirements.lock
	models/training/.venv/bin/pip install -q --no-deps --no-build-isolation -e models/training
	touch $@

# Pins the dependencies in models/training/pyproject.toml with hashes, for all platforms, keeping versions already pinned.
# Needs uv (`pip install uv`); `make lock-training UPGRADE=--upgrade` upgrades everything.
lock-training:
	cd models/training && uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make lock-training" $(UPGRADE) -o requirements.lock

# Tests the training code: trains for a few steps on a tiny corpus, exports the networks, compares them with the originals,
# and checks the measurements against known answers.
test-training: packages-test models/training/.venv/ready
	cd models/training && .venv/bin/python -m pytest -q tests

# Checks the training code's style, formatting and types.
lint-training: packages-test models/training/.venv/ready
	cd models/training && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

# Builds for 64-bit ARM on x86-64 and runs the tests that need neither an audio server nor a playing daemon under QEMU, which
# emulates the processor of a Raspberry Pi 4, all of whose instructions a Raspberry Pi 5 supports. Needs root to install packages
# and to register QEMU with the kernel, because some tests start the built program as a process of its own.
test-aarch64 instructions-aarch64: %-aarch64:
	$(MAKE) $*-emulated TARGET=aarch64-unknown-linux-gnu

BINFMT := /proc/sys/fs/binfmt_misc

test-emulated: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER := qemu-aarch64-static
test-emulated: export MELOS_ONNXRUNTIME := $(CURDIR)/$(RUNTIME)/libonnxruntime.so
test-emulated: export QEMU_CPU ?= cortex-a72
test-emulated: packages-build runtime
	@test -e $(BINFMT)/register || $(SUDO) mount -t binfmt_misc binfmt_misc $(BINFMT)
	@test -e $(BINFMT)/qemu-aarch64 || $(SUDO) sh -c 'cat /usr/lib/binfmt.d/qemu-aarch64.conf > $(BINFMT)/register'
	$(CARGO) test --locked --workspace --target $(TARGET) $(OFFLINE) --no-fail-fast

# Counts the instructions that rendering 2 and 8 seconds of music takes on a Raspberry Pi 5's processor; docs/platforms.md
# estimates the processor's load from the difference.
instructions-emulated: export MELOS_ONNXRUNTIME := $(CURDIR)/$(RUNTIME)/libonnxruntime.so
instructions-emulated: build runtime
	$(call install,qemu-user)
	gcc -O2 -shared -fPIC -o target/instructions.so benches/instructions.c
	for seconds in 2 8; do QEMU_CPU=cortex-a76 qemu-aarch64 -plugin target/instructions.so $(BUILT) render \
		--emotion romantic --seconds $$seconds --seed 5 -o target/instructions.wav || exit 1; done

# Tests the built-in runtime (optional because of its build time): runs the shipped networks and compares the results with those
# of PyTorch.
test-tract: packages-build
	MELOS_ONNXRUNTIME=none $(CARGO) test --locked --features tract --lib generator

# Tests Ableton Link (optional because of its licence) against a peer built from Link's own library.
test-link: packages-build
	$(call install,cmake g++ libclang-dev)
	$(CARGO) test --locked --features link --test link

# The programs with which `make bench PARTS=peers` compares Melos. RAVE has its own environment, which uses PyTorch from the
# training environment.
PEERS := target/peers

$(PEERS)/ready: benches/peers-requirements.txt $(if $(wildcard $(TRAINING_PYTHON)),,models/training/.venv/ready)
	$(call install,fluidsynth fluid-soundfont-gm)
	$(TRAINING_PYTHON) -m venv $(PEERS)
	$(TRAINING_PYTHON) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $(PEERS)/training.pth
	mv $(PEERS)/training.pth $(PEERS)/lib/python*/site-packages/
	$(PEERS)/bin/pip install -q --no-deps --require-hashes -r benches/peers-requirements.txt
	touch $@

# The version with which `make bench PARTS=versions` compares this one: by default, the first one that played.
OLD ?= 2fba2fa
OLD_FOLDER := target/versions/$(OLD)
# Runs in its own folder, so that it uses its own model.
OLD_MELOS := $(OLD_FOLDER)/run

$(OLD_MELOS): | packages-build runtime
	mkdir -p $(OLD_FOLDER)
	git archive $(OLD) | tar -x -C $(OLD_FOLDER)
	ln -sfn $(abspath runtime) $(OLD_FOLDER)/runtime
	$(CARGO) build --release --locked --manifest-path $(OLD_FOLDER)/Cargo.toml --target-dir $(OLD_FOLDER)/target
	printf '#!/bin/sh\ncd "%s" && exec target/release/melos "$$@"\n' "$(abspath $(OLD_FOLDER))" > $@
	chmod +x $@

# Runs the benchmarks and writes BENCHMARKS.md; PARTS="start latency" runs only those. The benchmark `seams` renders
# MELOS_SEAM_MINUTES (default 30) of every emotion, which takes about half an hour. By default, all run except `peers`, which
# needs the training environment, and `versions`, which builds OLD.
bench: build packages-test runtime $(VENV)/ready $(if $(filter peers,$(PARTS)),$(PEERS)/ready) $(if $(filter versions,$(PARTS)),$(OLD_MELOS))
	MELOS_TRAINING_PYTHON=$(abspath $(TRAINING_PYTHON)) MELOS_SOUNDFONT=$(SOUNDFONT) MELOS_OLD=$(OLD_MELOS) MELOS_OLD_VERSION=$(OLD) \
		$(VENV)/bin/python benches/measure.py target/release/melos $(PARTS)

# Plays for MINUTES under JACK and adds the losses to BENCHMARKS.md.
MINUTES := 30

soak: build packages-test runtime $(VENV)/ready
	$(VENV)/bin/python benches/soak.py target/release/melos $(MINUTES)

# Plays NIGHT_MINUTES of music at NIGHT_SPEED times real time, and adds the growth of memory and files to BENCHMARKS.md.
NIGHT_MINUTES := 480
NIGHT_SPEED := 6

night: build packages-test runtime $(VENV)/ready
	$(VENV)/bin/python benches/soak.py target/release/melos $(NIGHT_MINUTES) $(NIGHT_SPEED)

# Plays for FAULT_MINUTES under JACK while something fails every few seconds, in an order that SEED determines, and adds the
# result to BENCHMARKS.md. Needs root.
FAULT_MINUTES := 120
SEED := 1

faults: build packages-test runtime $(VENV)/ready
	$(SUDO) $(VENV)/bin/python benches/faults.py target/release/melos $(FAULT_MINUTES) $(SEED)

# Simulates a week of an installation at SPEED times real time, and adds its disk and memory use to BENCHMARKS.md.
SPEED := 40

week: build packages-test runtime $(VENV)/ready
	$(VENV)/bin/python benches/week.py target/release/melos $(SPEED)

# Plays for a minute under 10,000 OSC messages a second and adds the results to BENCHMARKS.md.
flood: build packages-test runtime $(VENV)/ready
	$(VENV)/bin/python benches/flood.py target/release/melos

# Evaluates the music and writes models/EVALUATION.md. DATA is a folder with pop909, giantmidi and mutopia. Renders are
# cached in target/evaluation, so that an interrupted run can be resumed. SECTIONS selects sections of the document; empty means all.
EXCERPTS ?= 64
SECONDS ?= 30
HOURS ?= 1
SOUNDFONT ?= /usr/share/sounds/sf2/FluidR3_GM.sf2

LIBRARY := target/evaluation/library.npz

evaluate: build build-corpus runtime salamander $(if $(wildcard $(TRAINING_PYTHON)),,models/training/.venv/ready)
	$(if $(DATA),,$(error set DATA to the folder with the music: make evaluate DATA=/path/to/data))
	$(if $(wildcard $(SOUNDFONT)),,$(call install,fluid-soundfont-gm))
	for piano in crates/corpus/pianos/salamander.toml $(SOUNDFONT); do ./target/release/melos-corpus prepare --held-out --audio \
		--max-piece-seconds 130 --piano $$piano --out target/evaluation/held-out/$$(basename $${piano%.*}) \
		--corpus pop909=$(DATA)/pop909 --corpus giantmidi=$(DATA)/giantmidi --corpus mutopia=$(DATA)/mutopia || exit 1; done
	test -f $(LIBRARY) || PYTHONPATH=models/training $(TRAINING_PYTHON) -m melos_training.composer prepare --out $(LIBRARY) \
		--corpus pop909=$(DATA)/pop909 --corpus giantmidi=$(DATA)/giantmidi --corpus mutopia=$(DATA)/mutopia
	PYTHONPATH=models/training OMP_NUM_THREADS=1 $(TRAINING_PYTHON) -m melos_training.evaluation --library $(LIBRARY) \
		--shards target/evaluation/held-out/salamander target/evaluation/held-out/$(basename $(notdir $(SOUNDFONT))) --data $(DATA) --excerpts $(EXCERPTS) --seconds $(SECONDS) --hours $(HOURS) $(if $(SECTIONS),--sections $(SECTIONS))

# Runs each fuzz target for FUZZ_SECONDS, from the seeds and from earlier findings. cargo-fuzz's instrumentation is unstable
# and must be allowed explicitly.
FUZZ_TARGETS := osc midi mapping preset oscquery socket post piece control_log checkpoint model config state audio
FUZZ_SECONDS ?= 600

fuzz: packages-build $(TOOLS)/cargo-fuzz
	for target in $(FUZZ_TARGETS); do mkdir -p fuzz/corpus/$$target && RUSTC_BOOTSTRAP=1 $(TOOLS)/cargo-fuzz run -s none $$target \
		fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

