"""Keeps what was measured in results.json, and writes BENCHMARKS.md from it."""

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


def machine():
    """Processor, cores, load of the last minute."""
    lines = open("/proc/cpuinfo").read().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), os.uname().machine)
    return f"{model}, {os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}, load {os.getloadavg()[0]:.1f}"


def keep(section, found, moment):
    """Adds a section's results and writes the page anew."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[section] = {"date": f"{moment:%Y-%m-%d %H:%M}", "machine": machine(), "found": found}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))


def page(results):
    parts = [
        "# Benchmarks\n\n"
        "Written by `make bench` and `make soak`; each part says when and on which machine it was measured. Where other work\n"
        "ran beside it the load says so (a load above the number of cores means that melos had to wait for its turn), and\n"
        "ratios mean more than absolute times.\n"
    ]
    for name, write in WRITERS.items():
        if name in results:
            title, text = write(results[name]["found"])
            parts.append(f"## {title}\n\n*{results[name]['date']}, {results[name]['machine']}*\n\n{text}\n")
    return "\n".join(parts)


def table(head, rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def histogram(values, width, unit):
    """A bar for each bin of so many units."""
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
        # The engine's benchmark plays blocks of 256 frames.
        lasts = 256 * FRAME_NS if name.startswith("engine") else LATENT_NS
        rows.append([name, f"{ns / 1e6:.3f} ms", f"{ns / lasts:.4f}"])
    return "The chain, stage by stage, one core (target: 0.15 for all)", table(["what", "time", "real-time factor"], rows)


def render(found):
    rows = [
        [emotion, f"{one['wall']:.3f}", f"{one['cpu']:.3f}", f"{one['memory']:.0f} MB"] for emotion, one in found.items()
    ]
    head = ["60 s of", "real-time factor", "of it processor time", "memory at most"]
    return "`melos render`, everything: network, harmony, room, start included (target: 0.15)", table(head, rows)


def start(found):
    seconds, (now, most) = found["seconds"], found["memory"]
    text = (
        f"From `melos run` to the first sound, {len(seconds)} warm starts: median {statistics.median(seconds):.2f} s, worst "
        f"{max(seconds):.2f} s (target 2 s).\nMemory of the daemon after a minute: {now:.0f} MB, at most {most:.0f} MB "
        "(target 300 MB)."
    )
    return "Start and memory", text


def latency(found):
    targets = {"fast": "p99 30 ms", "mood": "p95 150 ms"}
    rows, bars = [], []
    for name, one in found.items():
        lane, period = name.split()
        ms = one["milliseconds"]
        shares = [f"{percentile(ms, share):.0f} ms" for share in (0.5, 0.95, 0.99)]
        rows.append([lane, period, str(len(ms)), *shares, f"{max(ms):.0f} ms", targets[lane], f"{one['astray']} of {one['of']}"])
        bars.append(f"{lane}, {period} frames:\n\n{histogram(ms, 4 if lane == 'fast' else 10, 'ms')}")
    head = ["lane", "period", "messages", "p50", "p95", "p99", "worst", "target", "periods unlike the rendered log"]
    text = (
        "From an OSC message to the first sample that differs from the same performance without it, under JACK (dummy\n"
        "driver). Fast: the master's level; mood: another emotion. Last: JACK's periods in which the recording\n"
        "is not the rendered control log, bit for bit.\n\n" + table(head, rows) + "\n\n" + "\n\n".join(bars)
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
    head = ["clock at", "beats", "median of all", "followed after", "median then", "worst then"]
    text = (
        "From a MIDI clock's beat, exact to the frame, to the beat of the clock that melos sends to others, in frames of the JACK\n"
        f"server. Followed: from there on every beat lies within {NEAR_MS} ms.\n\n" + table(head, rows)
    )
    return "Phase to an outside clock (target: median 10 ms, 80 to 140 bpm within two bars)", text


def seams(found):
    text = (
        "Where segments meet: 85 ms of music each. Steps from sample to sample at the seams beside the signal's own 99.99th\n"
        "percentile, and both steps and energy (20 ms) beside the same music decoded in one piece. One place in ten thousand\n"
        "is above that percentile, a seam or not; what a seam adds to a step shows in the column after.\n\n" + "\n".join(found)
    )
    return "Seams (target: no step above the usual, no dip over 1.5 dB)", text


def counted(found):
    rows = [[name.replace("_", " "), f"{value:g}"] for name, value in found["counters"].items()]
    return table(["what", "how often"], rows)


def scheduling(found):
    return "granted" if found["realtime"] else "refused"


def soak(found):
    began, ended, most = found["memory"]
    text = (
        f"{found['minutes']:g} minutes under JACK (dummy driver, {found['period']} frames, real-time scheduling "
        f"{scheduling(found)}), steered every few seconds.\nMemory {began:.0f} MB at the "
        f"beginning, {ended:.0f} MB at the end, {most:.0f} MB at most; load of the generator at the end "
        f"{found['load']:.2f}.\nOn a machine with more load than cores the generator does not get its turn, which shows as starvations. "
        "The music\nwent on under the harmony layer meanwhile.\n\n" + counted(found)
    )
    return "Soak (target: 30 minutes without an xrun of ours)", text


def flood(found):
    ms = found["milliseconds"]
    text = (
        f"{found['rate']} messages a second from eight sensors for {found['seconds']} s under JACK (dummy driver, {found['period']} "
        f"frames, real-time scheduling {scheduling(found)}). The newest values won: "
        f"{'yes' if found['won'] else 'no'}.\n{found['astray']} of {found['of']} periods recorded are not the rendered control log, bit for bit.\n"
        f"A fader of the fast lane, moved {found['moves']} times meanwhile, {len(ms)} of them taken: p50 "
        f"{percentile(ms, 0.5):.0f} ms, p95 {percentile(ms, 0.95):.0f} ms, p99 {percentile(ms, 0.99):.0f} ms, worst {max(ms):.0f} ms.\n\n"
        + counted(found)
    )
    return "Flood (target: no xrun of ours, fast lane p99 30 ms)", text


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
        ["the same while the sound server had failed: silences", f"{len(found['server_silences'])}{worst(found['server_silences'])}"],
        ["the same while the sound server had failed: clicks", str(found["server_clicks"])],
        ["faults after which it was not itself again within 20 s", str(len(wrong)) + "".join(f"; {one}" for one in wrong)],
        ["times the listener was not called, for its own sake or another's", str(found["missed_by_listener"])],
        *([name.replace("_", " "), str(count)] for name, count in found["losses"].items()),
    ]
    text = (
        f"`benches/faults.py target/release/melos {found['minutes']:.0f} {found['seed']}`: {found['minutes']:g} minutes under JACK (dummy driver, "
        f"{found['period']} frames, real-time scheduling {scheduling(found)}), {found['heard_minutes']:.1f} of them\nheard by a client "
        f"that records. {sum(found['faults'].values())} faults from seed {found['seed']}: "
        + ", ".join(f"{name} {count}" for name, count in sorted(found["faults"].items()))
        + f".\nFrom the sound server's return to sound: {f'{back[len(back) // 2]:g} s in the middle, {back[-1]:g} s at most' if back else 'not measured'}. "
        f"The log has {found['log_mb']:.2f} MB.{found.get('note', '')}\n\n" + table(["what", "how often"], rows) + "\n\n" + table(head, grown)
    )
    return "Soak with faults (target: no silence, no click, everything recovered)", text


def elsewhere(found):
    return "By other programs", table(["what", "how", "result"], found)


WRITERS = {
    "chain": chain, "render": render, "start": start, "latency": latency, "phase": phase, "seams": seams, "soak": soak, "flood": flood, "faults": faults, "elsewhere": elsewhere,
}
