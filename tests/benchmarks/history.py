"""results/history.json: the figures of each whole `make bench`, and history.png: a commit that is slower is seen."""

from __future__ import annotations

import json
import subprocess
from textwrap import fill
from typing import TYPE_CHECKING, Any

from backend.artifact import read_card
from backend.settings import SHIPPED_MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.report import Measure

COLUMNS = 4


def add(measures: list[Measure], date: str, folder: Path) -> None:
    """Append this run, and draw the chart of all."""
    path = folder / "history.json"
    runs = json.loads(path.read_text()) if path.exists() else []
    runs.append({"date": date, **_version(), "figures": {each.name: round(each.value, 3) for each in measures}})
    path.write_text(json.dumps(runs, indent=1) + "\n")
    chart(runs, measures, folder / "history.png")


def _version() -> dict[str, str]:
    """The shipped model's, and the commit's where there is git."""
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = ""
    return {"model": read_card(SHIPPED_MODEL).version, "commit": commit}


def chart(runs: list[dict[str, Any]], measures: list[Measure], path: Path) -> None:
    """A panel for each figure, its target dashed; runs that did not measure it are left out."""
    from matplotlib.figure import Figure

    rows = -(-len(measures) // COLUMNS)
    figure = Figure(figsize=(11, 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, measure in zip(panels, measures, strict=False):
        seen = [(n, run["figures"][measure.name]) for n, run in enumerate(runs) if measure.name in run["figures"]]
        panel.plot(*zip(*seen, strict=True), marker="o", markersize=4, color="#3b5bdb")
        panel.axhline(measure.target, color="#e03131", linewidth=1, linestyle="--")
        panel.set_title(fill(f"{measure.name} ({'at least' if measure.least else 'at most'})", 34), fontsize=8)
        panel.set(xlim=(-0.5, len(runs) - 0.5), xticks=range(len(runs)))
        panel.set_ylim(0, 1.1 * max(measure.target, *(value for _, value in seen)))
        panel.set_xticklabels([run["date"][5:10] for run in runs], fontsize=7, rotation=90)
        panel.tick_params(axis="y", labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(measures) :]:
        panel.remove()
    figure.savefig(path, dpi=100)
