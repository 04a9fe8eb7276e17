"""Results as text: tables for the terminal, Markdown for the docs."""

from __future__ import annotations

from collections.abc import Sequence

from bench.measure import Group, Spread

__all__ = ["markdown", "number", "summary", "table"]


def number(value: float) -> str:
    """Three significant digits or whole numbers, whichever is longer."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _band(spread: Spread) -> str:
    return f"{number(spread.p10)}..{number(spread.p90)}"


def _rows(group: Group) -> list[list[str]]:
    rows = []
    for s in group.series:
        spread, ratio = s.spread, group.ratio(s)
        cells = [s.name, number(spread.median), number(spread.best), _band(spread)]
        claim = group.claim(s.name)
        if s is group.series[0]:
            cells += ["", "", ""]
        else:
            cells += [number(ratio.median), _band(ratio)]
            cells += [f"{claim} {'ok' if group.kept(claim) else 'MISSED'}" if claim else ""]
        rows.append([*cells, s.note])
    return rows


def table(group: Group) -> str:
    """Return a group as plain text; ratios say how many times as much as the first row."""
    head = ["", f"median {group.unit}", "best", "p10..p90", "times ours", "p10..p90", "goal", ""]
    rows = [head, *_rows(group)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [f"{group.title} ({group.note})" if group.note else group.title]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [row[i].rjust(widths[i]) for i in range(1, 6)]
        cells += [row[6].ljust(widths[6]), row[7]]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def summary(groups: Sequence[Group]) -> str:
    """Return one line for each promise."""
    lines = []
    for group in groups:
        for claim in group.claims:
            peer = next(s for s in group.series if s.name == claim.peer)
            ratio = group.ratio(peer)
            verdict = "ok    " if group.kept(claim) else "MISSED"
            measured = (
                f"{number(ratio.median)}x"
                if claim.at_least is not None
                else f"{number(1 / ratio.median)} of it"
            )
            lines.append(f"{verdict} {group.title} against {claim.peer}: {measured}, goal {claim}")
    return "\n".join(lines)


def markdown(groups: Sequence[Group]) -> str:
    """Return all groups as Markdown tables."""
    parts = []
    for group in groups:
        lines = [f"### {group.title}", ""]
        if group.note:
            lines += [f"{group.note[0].upper()}{group.note[1:]}.", ""]
        lines += [
            f"| | median {group.unit} | p10..p90 | times ours (p10..p90) | goal |",
            "|---|---:|---:|---:|---|",
        ]
        for name, median, _best, band, times, times_band, goal, note in _rows(group):
            label = f"{name} ({note})" if note else name
            ratio = f"{times} ({times_band})" if times else ""
            lines.append(f"| {label} | {median} | {band} | {ratio} | {goal} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
