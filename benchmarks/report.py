"""Results as a table for people, as JSON for programs, and as a chart."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Goal
from benchmarks.rounds import Measured

RESULTS: Final = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Line:
    """One row of the table. `goal` is compared with the median of `measured`."""

    what: str
    measured: Measured
    unit: str = "events/s"
    note: str = ""
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.goal.met_by(self.measured.median)

    def as_json(self) -> dict[str, Any]:
        asked = {} if self.goal is None else {"goal": str(self.goal), "met": self.met}
        return {"what": self.what, "unit": self.unit, "note": self.note, **self.measured.as_json(), **asked}


@dataclass(frozen=True)
class Report:
    name: str
    title: str
    machine: Mapping[str, Any]
    lines: Sequence[Line]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def publish(self, folder: Path = RESULTS) -> None:
        """Print the table, and write `<name>.json` and `<name>.png`."""
        folder.mkdir(exist_ok=True)
        # A table in a log must not be folded as for a narrow window.
        console = Console(width=None if sys.stdout.isatty() else 140)
        console.print(self.table())
        console.print(self._stated(), highlight=False)
        document = {
            "name": self.name,
            "title": self.title,
            "machine": self.machine,
            "facts": self.facts,
            "lines": [line.as_json() for line in self.lines],
        }
        (folder / f"{self.name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        self.draw(folder / f"{self.name}.png")

    def table(self) -> Table:
        table = Table(title=self.title, title_justify="left")
        for column in ("", "median", "min to max", "unit", "goal", "", ""):
            table.add_column(column, justify="left" if column in {"", "unit"} else "right")
        for line in self.lines:
            low, high = min(line.measured.values), max(line.measured.values)
            met = "" if line.met is None else ("met" if line.met else "MISSED")
            figures = (_figure(line.measured.median), f"{_figure(low)} to {_figure(high)}")
            table.add_row(line.what, *figures, line.unit, str(line.goal or ""), met, line.note)
        return table

    def draw(self, path: Path) -> None:
        """A bar for each line that has the first line's unit; whiskers from the slowest to the fastest round."""
        import matplotlib as mpl  # noqa: PLC0415 -- of the bench group, and slow to import

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415 -- after the choice of the backend

        drawn = [line for line in self.lines if line.unit == self.lines[0].unit][::-1]
        medians = [line.measured.median for line in drawn]
        below = [line.measured.median - min(line.measured.values) for line in drawn]
        above = [max(line.measured.values) - line.measured.median for line in drawn]
        figure, axes = plt.subplots(figsize=(9, 1.2 + 0.45 * len(drawn)), layout="constrained")
        colours = ["#2f6f9f" if line.what.startswith("zik") else "#b8bec6" for line in drawn]
        bars = axes.barh([line.what for line in drawn], medians, xerr=(below, above), color=colours, capsize=3)
        axes.bar_label(bars, [f"{_figure(median)}" for median in medians], padding=8)
        axes.margins(x=0.15)
        # Over the whole figure: the labels of the bars leave the axes too little room for it.
        figure.suptitle(self.title, x=0.01, horizontalalignment="left")
        axes.set_xlabel(self.lines[0].unit)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=110)
        plt.close(figure)

    def _stated(self) -> str:
        host = self.machine
        servers = f"PostgreSQL {host['postgresql']}, Valkey {host['valkey']}, " if "postgresql" in host else ""
        return f"{host['processor']}, {host['cores']} cores, {servers}Python {host['python']}, load {host['load']:.1f}"


def _figure(value: float) -> str:
    if value >= 1000:  # noqa: PLR2004 -- readable digits
        return f"{value:,.0f}"
    if 0 < value < 0.1:  # noqa: PLR2004 -- readable digits
        return f"{value:.2g}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004 -- readable digits
