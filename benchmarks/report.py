"""Draw what was measured, and put the tables into docs/performance.md and docs/scaling.md.

    python benchmarks/report.py

It reads what whole runs left in benchmarks/results; ./dev bench runs it at the end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import RESULTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
DRAWN = {  # what is drawn, and what it is called
    "rivals": "65 MB, local engine",
    "spark": "65 MB, Spark",
    "spark-1gb": "1 GB, Spark",
    "activity": "activity map, 131 MB",
    "activity-1gb": "activity map, 1 GB",
}
COLOURS = {"loop": "#bbbbbb", "numpy": "#6699cc", "dask": "#cc6644", "dask, as exact": "#ddaa77"}
SCALING = ("load", "reduce", "toseries", "write", "driver MB", "worker MB", "JVM MB")


def main() -> None:
    """Draw and tell all that there is."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}
    shown = {title: found[name] for name, title in DRAWN.items() if name in found}
    draw(shown)
    told = [
        f"**{title}** ({one['machine']})\n\n{ratios(one['rows'])}" for title, one in shown.items()
    ]
    put(DOCS / "performance.md", "\n\n".join(told))
    if "scaling" in found:
        put(DOCS / "scaling.md", scaling(found["scaling"]))


def draw(shown: dict[str, Any]) -> None:
    """Bars of ratios on a log scale, a panel for each benchmark."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "ratios"  # the same figures give the same file
    heights = [len(one["rows"]) for one in shown.values()]
    figure = Figure(figsize=(8, 0.36 * sum(heights) + 1.2 * len(heights)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, height_ratios=heights, squeeze=False)
    for panel, (title, one) in zip(panels[:, 0], shown.items(), strict=True):
        bars(panel, title, one["rows"])
    panels[-1, 0].set_xlabel("times faster than (to the left of 1: slower)")
    handles = {h.get_label(): h for panel in panels[:, 0] for h in panel.containers}
    figure.legend(handles.values(), handles, loc="outside upper right", ncols=len(handles))
    figure.savefig(DOCS / "images" / "performance.svg", metadata={"Date": None})


def bars(panel: Axes, title: str, rows: dict[str, dict[str, float]]) -> None:
    """One panel: a group of bars for each row."""
    for place, (rival, colour) in enumerate(COLOURS.items()):
        at = [(i, row[rival]) for i, row in enumerate(rows.values()) if rival in row]
        if at:
            wide = 0.8 / len(COLOURS)
            lefts = [i + (place - 1.5) * wide for i, _ in at]
            panel.barh(lefts, [v - 1 for _, v in at], wide, left=1, color=colour, label=rival)
    panel.set(title=title, xscale="log", yticks=range(len(rows)), yticklabels=list(rows))
    panel.axvline(1, color="black", linewidth=0.8)
    panel.invert_yaxis()
    panel.spines[["top", "right"]].set_visible(False)


def ratios(rows: dict[str, dict[str, float]]) -> str:
    """A table of milliseconds, and of how many times faster."""
    rivals = list(dict.fromkeys(name for row in rows.values() for name in row if name != "seconds"))
    lines = [
        [name, f"{row['seconds'] * 1000:.0f}", *(shortly(row.get(rival)) for rival in rivals)]
        for name, row in rows.items()
    ]
    return table(["operation", "ours, ms", *rivals], lines)


def scaling(found: dict[str, Any]) -> str:
    """A table of seconds and megabytes, a row for each run."""
    lines = [
        [f"{row['MB']:.0f}", f"{row['partitions']:.0f}", *(shortly(row[name]) for name in SCALING)]
        for row in found["rows"].values()
    ]
    head = ["MB", "partitions", *(n if n.endswith("MB") else f"{n}, s" for n in SCALING)]
    return f"{found['machine']}\n\n{table(head, lines)}"


def shortly(value: float | None) -> str:
    """Two or three digits."""
    return "" if value is None else f"{value:.0f}" if value >= 20 else f"{value:.2g}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """As Markdown has it."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    start, end = "<!-- measured -->", "<!-- end -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}", "utf-8")


if __name__ == "__main__":
    main()
