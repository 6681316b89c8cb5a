"""Stores measurements in results.json and generates BENCHMARKS.md from them."""

import json
import os
import pathlib
import statistics

FOLDER = pathlib.Path(__file__).parent
RESULTS = FOLDER / "results.json"
PAGE = FOLDER.parent / "BENCHMARKS.md"
LATENT_NS = 4096 / 48_000 * 1e9
FRAME_NS = 1e9 / 48_000
NEAR_MS = 10
BUSY = " A load above the number of cores means that other\nprograms were running too, which slightly increases processor time; ratios within a run are more meaningful."


def machine():
    """Returns processor, number of cores and load average over the last minute."""
    lines = open("/proc/cpuinfo").read().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), os.uname().machine)
    return f"{model}, {os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}, load {os.getloadavg()[0]:.1f}"


def store(section, found, date):
    """Stores a section's results and regenerates the page."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[section] = {"date": f"{date:%Y-%m-%d %H:%M}", "machine": machine(), "found": found}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def page(results):
    parts = [
        "# Benchmarks\n\n"
        "Written by `make bench`, `make soak` and `make flood`. Each section gives its date and machine. The load shows whether other\n"
        "programs were running; above the number of cores, Melos had to wait for the processor, and ratios are more meaningful\n"
        "than absolute times.\n"
    ]
    for name, write in WRITERS.items():
        if name in results:
            title, text = write(results[name]["found"])
            parts.append(f"## {title}\n\n*{results[name]['date']}, {results[name]['machine']}*\n\n{text}\n")
    return "\n".join(parts)


def table(head, rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def histogram(values, width, unit):
    """Draws one bar per bin of the given width."""
    counts = {}
    for value in values:
        counts[int(value // width)] = counts.get(int(value // width), 0) + 1
    bins = range(min(counts), max(counts) + 1)
    bars = [f"{index * width:4}–{(index + 1) * width:<4} {unit}  {'█' * counts.get(index, 0)}".rstrip() for index in bins]
    return "```text\n" + "\n".join(bars) + "\n```"


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def chain(found):
    rows = []
    for name, ns in found.items():
        # The engine benchmark renders blocks of 256 frames.
        duration = 256 * FRAME_NS if name.startswith("engine") else LATENT_NS
        rows.append([name, f"{ns / 1e6:.3f} ms", f"{ns / duration:.4f}"])
    return "The signal chain by stage, on one core (target: 0.15 in total)", table(["stage", "time", "real-time factor"], rows)


def render(found):
    rows = [
        [emotion, f"{result['wall']:.3f}", f"{result['cpu']:.3f}", f"{result['memory']:.0f} MB"] for emotion, result in found.items()
    ]
    head = ["60 s of", "real-time factor", "CPU time", "peak memory"]
    return "`melos render` with everything, including startup (target: 0.15)", table(head, rows)


def start(found):
    seconds, (now, peak) = found["seconds"], found["memory"]
    text = (
        f"Time from `melos run` to the first sound, {len(seconds)} warm starts: median {statistics.median(seconds):.2f} s, worst "
        f"{max(seconds):.2f} s (target 2 s).\nMemory of the daemon after a minute: {now:.0f} MB, peak {peak:.0f} MB "
        "(target 300 MB)."
    )
    return "Startup and memory", text


def comparison(result):
    """Describes how a recording compares with the rendered control log."""
    # Older results lack these two counts, and store the number of periods as "of".
    late = [f"{result[key]} {text}" for key, text in (("skipped", "without Melos"), ("missed", "not recorded")) if result.get(key)]
    return ", ".join([f"{result['astray']} of {result.get('periods', result.get('of'))}", *late])


def latency(found):
    targets = {"128": "p99 8 ms", "256": "p99 12 ms"}
    rows, bars = [], []
    for name, result in found.items():
        lane, period = name.rsplit(" ", 1)
        ms = result["milliseconds"]
        shares = [f"{percentile(ms, share):.0f} ms" for share in (0.5, 0.95, 0.99)]
        rows.append([lane, period, str(len(ms)), *shares, f"{max(ms):.0f} ms", targets[period] if lane.startswith("fast") else "p95 60 ms", comparison(result)])
        bars.append(f"{lane}, {period} frames:\n\n{histogram(ms, 2 if max(ms) < 20 else 10, 'ms')}")
    head = ["change", "period", "messages", "p50", "p95", "p99", "worst", "target", "periods that differ"]
    text = (
        "Time from an OSC message to the first sample that differs from the same performance without it, under JACK (dummy\n"
        "driver). Fast: the master level; over MIDI, stop and continue, timed from the frame of the byte. Mood: a new\n"
        "emotion. Chord: a lead chord set by name, measured in the network's piano alone and in bass, pad and upper voice alone.\n"
        "The last column counts JACK periods in which the recording differs from the rendered control log, and those in which\n"
        "Melos or the recording program missed the server's deadline.\n\n" + table(head, rows) + "\n\n" + "\n\n".join(bars)
    )
    return "Control to sound", text


def phase(found):
    rows = []
    for tempo, ms in found.items():
        far = [index for index, error in enumerate(ms) if abs(error) > NEAR_MS]
        followed = far[-1] + 1 if far else 0
        rest = [abs(error) for error in ms[followed:]] or [float("nan")]
        median = statistics.median(abs(error) for error in ms)
        rows.append([f"{tempo} bpm", str(len(ms)), f"{median:.2f} ms", f"{followed} beats", f"{statistics.median(rest):.2f} ms", f"{max(rest):.2f} ms"])
    head = ["clock", "beats", "median", "locked after", "median once locked", "worst once locked"]
    text = (
        "Time from each beat of a sample-accurate MIDI clock to the same beat of the clock that Melos sends, measured by the JACK\n"
        f"server. Locked: after this many beats, every beat is within {NEAR_MS} ms.\n\n" + table(head, rows)
    )
    return "Phase relative to an external clock (target: median 10 ms, from 80 to 140 bpm within two bars)", text


def seams(found):
    text = (
        "The boundaries between segments of 85 ms. Sample-to-sample steps at the seams are compared with the signal's own 99.99th\n"
        "percentile, and both steps and energy (20 ms) with the same music decoded in one piece. By definition, one step in ten\n"
        "thousand exceeds that percentile; the column after the share of such steps shows how much a seam adds to a step.\n\n" + "\n".join(found)
    )
    return "Seams (target: no unusual steps, no dip over 1.5 dB)", text


def counters_table(found):
    rows = [[name.replace("_", " "), f"{value:g}"] for name, value in found["counters"].items()]
    return table(["counter", "count"], rows)


def scheduling(found):
    return "granted" if found["realtime"] else "refused"


def growth_report(found, plot):
    """Reports what grew during a soak and why; empty for older results, which do not contain it."""
    if "grown" not in found:
        return ""
    grown = found["grown"]
    mb = lambda name: f"{grown[name]:+.2f} MB"
    rows = [
        ["control log", mb("control log"), f"{grown['sent']} messages sent; lines: {', '.join(f'{name} {count}' for name, count in grown['lines'].items())}"],
        ["event log", mb("event log"), "events"],
        *([["checkpoints", mb("checkpoints"), "one every two minutes, up to the limit of 1024 MB"]] if "checkpoints" in grown else []),
        *([["recordings", mb("recordings"), "the take of the first minute"]] if "recordings" in grown else []),
        ["other files", mb("other files"), "saved state, replaced on each change"],
        ["memory, from the first third to the last", mb("memory"), "excluding the first minutes, in which the pre-roll buffer of 30 s fills"],
        ["threads, open files", f"{grown['threads']:+}, {grown['descriptors']:+}", ""],
    ]
    wrong = f"\n\nGrew unexpectedly: {'; '.join(found['wrong'])}." if found["wrong"] else ""
    return f"\n\n![Memory and files over time]({plot})\n\n" + table(["", "growth", "reason"], rows) + wrong


def soak(found):
    began, ended, peak = found["memory"]
    text = (
        f"{found['minutes']:g} minutes under JACK (dummy driver, {found['period']} frames, real-time scheduling "
        f"{scheduling(found)}), with a parameter change every few seconds.\nMemory {began:.0f} MB at the "
        f"start, {ended:.0f} MB at the end, {peak:.0f} MB at the peak; generator load at the end {found['load']:.2f}.\n"
        "If the load exceeds the number of cores, the generator is late, which is counted as starvations; the harmony layer\n"
        "continues in the meantime.\n\n" + counters_table(found) + growth_report(found, "docs/soak.svg")
    )
    return "Soak (target: 30 minutes without an xrun)", text


def night(found):
    began, ended, peak = found["memory"]
    text = (
        f"{found['minutes'] / 60:.1f} hours of music without a sound device (blocks of {found['period']} frames), with a parameter change every few seconds, "
        f"by a clock that runs {found['speed']} times as fast; the networks are those that ship.\nMemory {began:.0f} MB at the "
        f"start, {ended:.0f} MB at the end, {peak:.0f} MB at the peak.\n\n" + counters_table(found) + growth_report(found, "docs/night.svg")
    )
    return "A night (target: nothing grows that is not explained)", text


def flood(found):
    ms = found["milliseconds"]
    text = (
        f"{found['rate']} messages a second from eight sensors for {found['seconds']} s under JACK (dummy driver, {found['period']} "
        f"frames, real-time scheduling {scheduling(found)}). The latest values won: "
        f"{'yes' if found['won'] else 'no'}.\nRecorded periods that differ from the rendered control log: {comparison(found)}.\n"
        f"A fast-lane fader was moved {found['moves']} times at the same time, and {len(ms)} moves took effect: p50 "
        f"{percentile(ms, 0.5):.0f} ms, p95 {percentile(ms, 0.95):.0f} ms, p99 {percentile(ms, 0.99):.0f} ms, worst {max(ms):.0f} ms.\n\n"
        + counters_table(found)
    )
    return "Flood (target: no xruns, fast lane p99 30 ms)", text


def faults(found):
    head = ["after", "memory", "files", "descriptors", "threads"]
    grown = [
        [f"{minute:.0f} min", f"{memory:.0f} MB", f"{files:.0f} MB", str(descriptors), str(threads)]
        for minute, memory, files, descriptors, threads in found["grown"]
    ]
    worst = lambda seconds: f", the longest {max(seconds):g} s" if seconds else ""
    back, wrong = found["back_seconds"], found["wrong"]
    rows = [
        ["silences of more than 100 ms", f"{len(found['silences'])}{worst(found['silences'])}"],
        ["clicks", str(found["clicks"])],
        ["silences of more than 100 ms while the sound server was down", f"{len(found['server_silences'])}{worst(found['server_silences'])}"],
        ["clicks while the sound server was down", str(found["server_clicks"])],
        ["faults from which Melos did not recover within 20 s", str(len(wrong)) + "".join(f"; {fault}" for fault in wrong)],
        ["cycles that the recording client missed", str(found["missed_by_listener"])],
        *([name.replace("_", " "), str(count)] for name, count in found["losses"].items()),
    ]
    text = (
        f"`benches/faults.py target/release/melos {found['minutes']:.0f} {found['seed']}`: {found['minutes']:g} minutes under JACK (dummy driver, "
        f"{found['period']} frames, real-time scheduling {scheduling(found)}), {found['heard_minutes']:.1f} of them\nrecorded by another "
        f"client. {sum(found['faults'].values())} faults from seed {found['seed']}: "
        + ", ".join(f"{name} {count}" for name, count in sorted(found["faults"].items()))
        + f".\nTime from the sound server's return to the first sound: {f'median {back[len(back) // 2]:g} s, at most {back[-1]:g} s' if back else 'not measured'}. "
        f"Size of the log: {found['log_mb']:.2f} MB.{found.get('note', '')}\n\n" + table(["event", "count"], rows) + "\n\n" + table(head, grown)
    )
    return "Soak with faults (target: no silence, no click, everything recovered)", text


def page_cost(found):
    rows = [[f"the page open at *{name.capitalize()}*", f"{share:.3f}", f"{100 * (share - found['without']):.1f} %"] for name, share in found["open"].items()]
    text = (
        f"`benches/measure.py target/release/melos page`: Chromium at 1280×800 on the same machine. The first load takes "
        f"{found['bytes'] / 1000:.1f} kB with headers (limit 150 kB,\nchecked by `tests/page_browser.rs`), and the page is usable after "
        f"{statistics.median(found['ready']):.2f} s (worst of {len(found['ready'])}: {max(found['ready']):.2f} s). The daemon's processor time "
        f"(without its generator,\nwhich works ahead at its own pace), median of measurements over {found['seconds']} s:\n\n"
        + table(["", "of a core", "added by the page"], [["no page", f"{found['without']:.3f}", ""], *rows])
    )
    return "The page (target: usable within 1 s on loopback, under 2 % of a core)", text


PEERS = {
    "melos": ("Melos, everything", "levels: the next block; mood: a splice 32 ms ahead of the horizon (measured in *Control to sound*)"),
    "melos, network alone": ("Melos without its harmony voices", "the same"),
    "pytorch": ("its networks in PyTorch", "a latent, 85.3 ms"),
    "onnxruntime": ("its networks in ONNX Runtime from Python", "a latent, 85.3 ms"),
    "griffin-lim": ("mel inversion by Griffin-Lim, pseudo-inverse", "the whole clip, 30 s"),
    "griffin-lim, least squares": ("mel inversion by Griffin-Lim, least squares", "the whole clip, 30 s"),
    "rave": ("RAVE v2, decoder alone", "the block, 85.3 ms; at least its latent, 42.7 ms"),
    "fluidsynth": ("FluidSynth, the same notes", "a period of 64 frames, 1.3 ms"),
}


def peers(found):
    melos, rows = found["melos"], []
    for name, (title, latency) in PEERS.items():
        ours = found[name]
        median = lambda what, ours=ours: statistics.median(result[what] for result in ours)
        ratios = [result["cost"] / beside["cost"] for result, beside in zip(ours, melos, strict=True)]
        rows.append([
            title, f"{median('cost'):.3f}", f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})", f"{median('memory'):.0f} MB",
            f"{median('first_cpu'):.2f} s ({median('first_wall'):.1f} s)", latency,
        ])
    head = ["", "processor time per second of sound", "relative to Melos", "peak memory", "processor time (time) until the first block", "minimum control latency of the method"]
    text = (
        f"`make bench PARTS=peers`: median of {len(melos)} rounds in which all programs run in turn, on one thread each, at 48 kHz; ratios within each\n"
        f"round, with the lowest and the highest. Times include waiting for the processor; processor times do not.{BUSY}\n\n"
        + table(head, rows)
        + "\n\n"
        "- **Its networks**: the composer plays its reference performance of 20 s, note for note, and pianist and vocoder turn latents into audio, driven by\n"
        "  the training code, without mixer, reverb and harmony voices. PyTorch's memory includes its CUDA libraries, as installed from PyPI; the ONNX Runtime\n"
        "  program loads PyTorch too, so its memory and startup time mean little.\n"
        "- **Griffin-Lim** is only the last step of the original demo: librosa, 32 iterations, clips of 30 s like the demo's, from log-mels that another program\n"
        "  would have to produce. Mels are converted to magnitudes by the pseudo-inverse of the filter bank or by librosa's least squares.\n"
        "- **RAVE**: decoder and filter bank of `acids-rave` 2.3.1, configuration `v2`, with random weights (15.5 million), cached convolutions, the decoder in\n"
        "  TorchScript, blocks of 4096 samples; nothing decides what to play. It needs older versions of SciPy and NumPy than the training code, so it runs in\n"
        "  an environment of its own, with the same PyTorch.\n"
        "- **FluidSynth** plays the notes of the second row with FluidR3, which shows the cost without any network."
    )
    return "Compared with other ways to generate the sound", text


def growth(found):
    rows, conditions = [], found["conditions"]
    median = lambda name, what: statistics.median(result[what] for result in conditions[name])
    alone = median("nobody listens", "other")
    for name, measured in conditions.items():
        other, rates = median(name, "other"), median(name, "evidence")
        rows.append([
            name, f"{other:.3f}", f"{other - alone:+.3f}", f"{median(name, 'generator'):.3f}", f"{median(name, 'memory'):.0f} MB",
            f"{rates:,.0f} {measured[0]['counts']} a second" if rates >= 1 else "",
        ])
    text = (
        f"`make bench PARTS=growth`: JACK (dummy driver, {found['period']} frames, real-time scheduling {scheduling(found)}). Every condition gets a new daemon that "
        f"plays the same music from\nthe start; processor time over {found['seconds']} s, as a share of one core, median of {len(conditions['nobody listens'])} rounds through all conditions. "
        f"Under the flood, half\nof which changes the mood, the generator generates much of the music more than once.{BUSY}\n\n"
        "![Load and memory under each condition](docs/growth.svg)\n\n"
        + table(["", "daemon without generator", "added", "generator", "memory", "checked by"], rows)
    )
    return "Cost under each condition", text


WEEK_EVENTS = {
    "opened": "openings", "closed": "closings", "takes": "takes", "deleted": "old files deleted", "failed_takes": "failed takes", "panics": "panics",
}


def week(found):
    by_day = {}
    for sample in found["samples"]:
        by_day.setdefault(int(sample["day"]), []).append(sample)
    mb = lambda value: f"{value:.1f} MB"
    rows = [
        [("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day % 7], *(mb(samples[-1][name]) for name in ("memory", "recordings", "control logs", "event log", "everything"))]
        for day, samples in by_day.items()
    ]
    event_counts = ", ".join(f"{found[event]} {words}" for event, words in WEEK_EVENTS.items() if event in found)
    text = (
        f"`benches/week.py target/release/melos {found['speed']} {found['days']}`: the unmodified daemon, with a tiny model and a clock "
        f"that runs {found['speed']} times as fast; the nights are skipped by setting the clock forward.\nIt is open from 14:00 to 18:00 except on Mondays, according to its own "
        f"schedule, with a ten-minute take every hour, a limit of 1 GB and three days for recordings,\nand a restart on Thursday night. "
        f"{found['events']} values from four sensors, {event_counts}.\nThe machine was also busy with other work: in {found['minutes']:.0f} minutes, {found['played_hours']:.1f} hours "
        f"of music were played, and the takes are shorter than the accelerated clock suggests.{found.get('note', '')}\n\n"
        "![Memory, recordings and logs over the week](docs/week.svg)\n\n"
        + table(["after closing on", "memory", "recordings", "control logs", "event log", "all files"], rows)
    )
    return "A week of an installation (target: bounded disk and memory)", text


def other_measurements(found):
    return "Other measurements", table(["measurement", "command", "result"], found)


WRITERS = {
    "chain": chain, "render": render, "start": start, "latency": latency, "phase": phase, "seams": seams, "soak": soak, "night": night, "flood": flood, "faults": faults, "week": week, "page": page_cost, "peers": peers, "growth": growth, "elsewhere": other_measurements,
}
