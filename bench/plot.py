"""Results as PNG: a panel for each group, and one plot of all promises."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.measure import Group
from bench.report import number

__all__ = ["draw"]

OURS, THEIRS, MISSED, INK = "#0b6e4f", "#9fb3c8", "#b3261e", "#243b53"

mpl.use("Agg")


def draw(found: Mapping[str, Sequence[Group]], folder: Path, foot: str) -> list[Path]:
    """Write `<question>.png` for each question and `promises.png`; return the paths."""
    paths = []
    for name, groups in found.items():
        paths.append(folder / f"{name}.png")
        _panels(name, groups, foot).savefig(paths[-1], dpi=130)
    promised = [group for groups in found.values() for group in groups if group.claims]
    if promised:
        paths.append(folder / "promises.png")
        _promises(promised, foot).savefig(paths[-1], dpi=130)
    return paths


def _panels(name: str, groups: Sequence[Group], foot: str) -> Figure:
    columns = min(len(groups), 3 if len(groups) > 4 else 2)
    rows = math.ceil(len(groups) / columns)
    bars = max(len(group.series) for group in groups)
    figure = Figure(figsize=(6.6 * columns, (0.36 * bars + 1.3) * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, group in zip(axes, groups, strict=False):
        _bars(panel, group)
    for panel in axes[len(groups) :]:
        panel.set_axis_off()
    figure.suptitle(f"{name}: bars are medians, lines the middle 80 % of rounds; shorter is better")
    figure.supxlabel("\n".join(textwrap.wrap(foot, 70 * columns)), fontsize=7, color=INK)
    return figure


def _bars(panel: Axes, group: Group) -> None:
    spreads = [s.spread for s in group.series]
    medians = [spread.median for spread in spreads]
    labels = [s.name for s in group.series]
    colours = [OURS if _is_ours(label) or i == 0 else THEIRS for i, label in enumerate(labels)]
    band = [
        [m - s.p10 for m, s in zip(medians, spreads, strict=True)],
        [s.p90 - m for m, s in zip(medians, spreads, strict=True)],
    ]
    places = range(len(labels))
    logarithmic = max(medians) > 12 * min(medians)
    panel.barh(places, medians, color=colours, xerr=band, ecolor=INK, error_kw={"lw": 1})
    panel.set_yticks(places, labels)
    panel.invert_yaxis()
    if logarithmic:
        panel.set_xscale("log")
        panel.set_xlim(min(medians) / 3, max(s.p90 for s in spreads) * 8)
    else:
        panel.set_xlim(0, max(s.p90 for s in spreads) * 1.35)
    for place, series, spread in zip(places, group.series, spreads, strict=True):
        text = number(spread.median)
        if place:
            text += f"  ({number(group.ratio(series).median)}x)"
        panel.annotate(
            text, (spread.p90, place), (5, 0), textcoords="offset points", va="center", fontsize=8
        )
    panel.set_title(group.title, fontsize=10, loc="left")
    panel.set_xlabel(group.unit + (", log scale" if logarithmic else ""), fontsize=8)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def _is_ours(name: str) -> bool:
    return name.startswith(("tickwire", "connectors", "import connectors"))


def _promises(groups: Sequence[Group], foot: str) -> Figure:
    """How many times as much as ours the alternative needs, and how many we promise."""
    rows = [(group, claim) for group in groups for claim in group.claims]
    figure = Figure(figsize=(10, 0.5 * len(rows) + 2.0), layout="constrained")
    panel = figure.subplots()
    spreads = []
    for place, (group, claim) in enumerate(rows):
        peer = next(s for s in group.series if s.name == claim.peer)
        spread = group.ratio(peer)
        spreads.append(spread)
        panel.barh(
            place,
            spread.median,
            color=OURS if group.kept(claim) else MISSED,
            xerr=[[spread.median - spread.p10], [spread.p90 - spread.median]],
            ecolor=INK,
        )
        panel.plot([claim.times] * 2, [place - 0.42, place + 0.42], color="black", lw=2)
        panel.annotate(
            f"{number(spread.median)}x  (goal {claim})",
            (spread.p90, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    panel.set_yticks(range(len(rows)), [f"{g.title}\nagainst {c.peer}" for g, c in rows])
    panel.invert_yaxis()
    panel.set_xscale("log")
    panel.set_xlim(0.5, max(spread.p90 for spread in spreads) * 4)
    panel.set_xlabel("times as much as ours, log scale; the black line is the goal", fontsize=9)
    panel.tick_params(labelsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("\n".join(textwrap.wrap(foot, 110)), fontsize=7, color=INK)
    return figure
