"""A plot of a long run, as SVG."""

WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 90, 60, 34, 34
ROWS = ("MB", "open files", "processes", "answers a second")


def plot(samples: list[dict], title: str) -> str:
    rows = dict.fromkeys(ROWS)
    for name in ROWS[:3]:
        rows[name] = [s[name] for s in samples]
    rates = [
        (b["answers"] - a["answers"]) / max(b["at"] - a["at"], 0.001) for a, b in zip(samples, samples[1:])
    ]
    rows[ROWS[3]] = [*rates, *rates[-1:]]
    times = [s["at"] for s in samples]
    height = TOP + len(ROWS) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="18" font-size="13">{title}</text>',
    ]
    for index, (name, values) in enumerate(rows.items()):
        parts.append(row(name, values, times, TOP + index * (HEIGHT + GAP)))
    return "\n".join([*parts, "</svg>"]) + "\n"


def row(name: str, values: list[float], times: list[float], top: float) -> str:
    most = max(*values, 1)
    end = times[-1] or 1
    points = " ".join(
        f"{LEFT + WIDTH * at / end:.1f},{top + HEIGHT * (1 - value / most):.1f}"
        for at, value in zip(times, values)
    )
    bottom = top + HEIGHT
    return (
        f'<line x1="{LEFT}" y1="{bottom}" x2="{LEFT + WIDTH}" y2="{bottom}" stroke="#999"/>'
        f'<text x="{LEFT - 6}" y="{top + 9}" text-anchor="end">{most:,.0f}</text>'
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{LEFT + 4}" y="{top + 9}" fill="#555">{name}</text>'
        f'<text x="{LEFT + WIDTH}" y="{bottom + 13}" text-anchor="end" fill="#555">{end / 60:.0f} min</text>'
        f'<polyline fill="none" stroke="#2456a6" stroke-width="1" points="{points}"/>'
    )
