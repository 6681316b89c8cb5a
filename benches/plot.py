"""Plots of measurements, as SVG."""

WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 150, 64, 26, 62
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
COLOURS = ("#1a93a6", "#d23c4c", "#7a57e0")


def panel(index, title, samples, series, limit=None):
    """Draws one panel: several series of samples over days, and a dashed line at a limit."""
    top = TOP + index * (HEIGHT + GAP)
    days = max(1.0, round(max(sample["day"] for sample in samples) + 0.49))
    highest = 1.08 * max([sample[name] for sample in samples for name in series] + [limit or 0])
    x = lambda day: LEFT + day / days * WIDTH
    y = lambda value: top + HEIGHT * (1 - value / highest)
    parts = [f'<text x="{LEFT}" y="{top - 9}" font-weight="600">{title}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = share * highest
        parts.append(f'<path d="M{LEFT} {y(value):.1f}h{WIDTH}" stroke="#ccc"/>')
        shown = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{shown}</text>')
    for day in range(int(days)):
        parts.append(f'<path d="M{x(day):.1f} {top}v{HEIGHT}" stroke="#e5e5e5"/>')
        parts.append(f'<text x="{x(day + 0.5):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{DAYS[day % 7]}</text>')
    if limit:
        parts.append(f'<path d="M{LEFT} {y(limit):.1f}h{WIDTH}" stroke="#555" stroke-dasharray="6 4"/>')
        parts.append(f'<text x="{LEFT + WIDTH}" y="{y(limit) - 5:.1f}" text-anchor="end">limit</text>')
    for place, (name, colour) in enumerate(zip(series, COLOURS)):
        line = " ".join(f"{x(sample['day']):.1f},{y(sample[name]):.1f}" for sample in samples)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{LEFT + WIDTH - 6 - 110 * (len(series) - 1 - place)}" y="{top - 9}" text-anchor="end" fill="{colour}">{name}</text>')
    return parts


def week(samples, max_gb, path):
    """Plots memory and disk use over the days of an installation."""
    panels = [
        ("Resident memory, MB", ["memory"], None),
        ("Recordings, MB", ["recordings"], 1000 * max_gb),
        ("Logs, MB", ["control logs", "event log"], None),
    ]
    parts = [part for index, (title, series, limit) in enumerate(panels) for part in panel(index, title, samples, series, limit)]
    height = TOP + len(panels) * (HEIGHT + GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 16} {height}" font-family="sans-serif" font-size="12" fill="#222">'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    path.write_text("\n".join([head, *parts, "</svg>"]) + "\n")
