"""Plots measurements as SVG."""

WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 150, 64, 26, 62
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
COLOURS = ("#1a93a6", "#d23c4c", "#7a57e0")


def panel(index, title, samples, series, axis, limit=None):
    """Returns the SVG elements of one panel: several series of samples over time, and a dashed line at a limit.

    `axis` consists of the key under which a sample stores its time, the end of the time axis, and the ticks; each tick consists of the position
    of its line, the position of its label, and the label.
    """
    time, end, ticks = axis
    top = TOP + index * (HEIGHT + GAP)
    highest = 1.08 * max([sample[name] for sample in samples for name in series] + [limit or 0])
    x = lambda moment: LEFT + moment / end * WIDTH
    y = lambda value: top + HEIGHT * (1 - value / (highest or 1))
    parts = [f'<text x="{LEFT}" y="{top - 9}" font-weight="600">{title}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = share * highest
        parts.append(f'<path d="M{LEFT} {y(value):.1f}h{WIDTH}" stroke="#ccc"/>')
        text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    for line, position, label in ticks:
        parts.append(f'<path d="M{x(line):.1f} {top}v{HEIGHT}" stroke="#e5e5e5"/>')
        parts.append(f'<text x="{x(position):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{label}</text>')
    if limit:
        parts.append(f'<path d="M{LEFT} {y(limit):.1f}h{WIDTH}" stroke="#555" stroke-dasharray="6 4"/>')
        parts.append(f'<text x="{LEFT + WIDTH}" y="{y(limit) - 5:.1f}" text-anchor="end">limit</text>')
    for index, (name, colour) in enumerate(zip(series, COLOURS)):
        line = " ".join(f"{x(sample[time]):.1f},{y(sample[name]):.1f}" for sample in samples)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{LEFT + WIDTH - 6 - 110 * (len(series) - 1 - index)}" y="{top - 9}" text-anchor="end" fill="{colour}">{name}</text>')
    return parts


def document(parts, height):
    """Returns an SVG document."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 16} {height}" font-family="sans-serif" font-size="12" fill="#222">'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def week(samples, max_gb, path):
    """Plots memory and disk use over the days of an installation."""
    panels = [
        ("Resident memory, MB", ["memory"], None),
        ("Recordings, MB", ["recordings"], 1000 * max_gb),
        ("Logs, MB", ["control logs", "event log"], None),
    ]
    days = max(1, round(max(sample["day"] for sample in samples) + 0.49))
    axis = "day", days, [(day, day + 0.5, DAYS[day % 7]) for day in range(days)]
    parts = [part for index, (title, series, limit) in enumerate(panels) for part in panel(index, title, samples, series, axis, limit)]
    path.write_text(document(parts, TOP + len(panels) * (HEIGHT + GAP)))


def soak(samples, path):
    """Plots memory, files, and numbers of threads and descriptors over the minutes of a soak."""
    panels = [
        ("Resident memory, MB", ["memory"]),
        ("Files, MB", ["control log", "event log", "other files"]),
        ("Checkpoints, MB", ["checkpoints"]),
        ("Threads and open files", ["threads", "descriptors"]),
    ]
    end = max(sample["minute"] for sample in samples)
    step = next(step for step in (1, 5, 15, 60, 240) if end / step <= 12 or step == 240)
    label = lambda minute: f"{minute // 60} h" if step >= 60 else f"{minute} min"
    axis = "minute", end, [(minute, minute, label(minute)) for minute in range(0, int(end) + 1, step)]
    parts = [part for index, (title, series) in enumerate(panels) for part in panel(index, title, samples, series, axis)]
    path.write_text(document(parts, TOP + len(panels) * (HEIGHT + GAP)))


# Width of the column of names, distance between rows, and height of a bar.
NAMES, ROW, BAR = 210, 24, 15


def bars(top, title, rows, series, format_total):
    """Returns the SVG elements of a chart with a horizontal stacked bar for each row: one segment per series, and the total at its end."""
    widest = 1.12 * max(sum(values) for values in rows.values())
    length = lambda value: value / widest * (LEFT + WIDTH - NAMES)
    parts = [f'<text x="{NAMES}" y="{top - 9}" font-weight="600">{title}</text>']
    for index, (name, colour) in enumerate(zip(series, COLOURS)):
        parts.append(f'<text x="{LEFT + WIDTH - 150 * (len(series) - 1 - index)}" y="{top - 9}" text-anchor="end" fill="{colour}">{name}</text>')
    for index, (name, values) in enumerate(rows.items()):
        y, x = top + index * ROW, NAMES
        parts.append(f'<text x="{NAMES - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
        for value, colour in zip(values, COLOURS):
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{length(value):.1f}" height="{BAR}" fill="{colour}"/>')
            x += length(value)
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 12}">{format_total(sum(values))}</text>')
    return parts


def growth(load, memory, path):
    """Plots load and memory under each condition; `load` contains one value per series for each condition."""
    memory_top = TOP + len(load) * ROW + GAP
    parts = bars(TOP, "Processor time, share of one core", load, ["everything else", "generator"], "{:.3f}".format)
    parts += bars(memory_top, "Resident memory, MB", {name: [value] for name, value in memory.items()}, [""], "{:.0f}".format)
    path.write_text(document(parts, memory_top + len(memory) * ROW + 10))
