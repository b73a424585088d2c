"""Plot the measurements, and write the tables of docs/performance.md and docs/scaling.md.

    python benchmarks/report.py

Reads the results of complete runs in benchmarks/results; ./dev bench runs it at the end. A second
run, saved with ``--save rivals-again``, measures the repeatability.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import RESULTS
from scipy.optimize import nnls

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
DRAWN = {  # plotted benchmarks and their titles
    "rivals": "65 MB, local engine",
    "spark": "65 MB, Spark",
    "spark-1gb": "1 GB, Spark",
    "activity": "activity map, 131 MB",
    "activity-1gb": "activity map, 1 GB",
    "outofcore": "1 and 4 GB, disk engine with 1 GiB of memory",
}
MODELS = {  # in CPU time of one thread of BLAS
    "factorization": "Factorizations, float32, 10 components",
    "regression": "Models of 40,000 series of 500 samples",
}
COLOURS = {"loop": "#bbbbbb", "numpy": "#6699cc", "dask": "#cc6644", "dask, as exact": "#ddaa77"}
STEPS = ("load", "reduce", "toseries", "write")
SCALING = (*STEPS, "driver MB", "worker MB", "JVM MB")
# Of 1 TB of images of 2048 x 2048, int16: those of the images, and of the series where there are.
PARTITIONS = {"load": 1863, "reduce": 1863, "toseries": 1863 + 3909, "write": 1863}


def main() -> None:
    """Update the figure and the tables from all results."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}
    names = [name for name in DRAWN if name in found]
    draw({DRAWN[name]: found[name] for name in names})
    tables = [measured(DRAWN[name], found[name], found.get(f"{name}-again")) for name in names]
    put(DOCS / "performance.md", "\n\n".join(tables))
    models = [measured(MODELS[name], found[name], None) for name in MODELS if name in found]
    put(DOCS / "performance.md", "\n\n".join(models), "models")
    if "small" in found:
        put(DOCS / "performance.md", alternatives(found["small"]), "small")
    if "scaling" in found:
        put(DOCS / "scaling.md", scaling(found["scaling"]))
    if "outofcore" in found:
        put(DOCS / "scaling.md", growth(found["outofcore"]), "disk engine")


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


def measured(title: str, one: dict[str, Any], again: dict[str, Any] | None) -> str:
    """A benchmark's table under its title, and how far a second run was from it."""
    parts = [f"**{title}** ({one['machine']})", ratios(one["rows"])]
    return "\n\n".join([*parts, agreement(one["rows"], again["rows"])] if again else parts)


def alternatives(one: dict[str, Any]) -> str:
    """A table of operations that have few rivals in common: all of them in one column."""
    lines = []
    for name, row in one["rows"].items():
        others = ", ".join(f"{rival} {shortly(row[rival])}" for rival in row if rival != "seconds")
        lines.append([name, f"{row['seconds'] * 1000:.1f}", others])
    return f"{one['machine']}\n\n{table(['operation', 'ours, ms', 'alternatives'], lines)}"


def agreement(rows: dict[str, dict[str, float]], again: dict[str, dict[str, float]]) -> str:
    """How far the ratios of a second run are from these."""
    apart = {
        f"{name}, {rival}": 100 * abs(again[name][rival] / ratio - 1)
        for name, row in rows.items()
        for rival, ratio in row.items()
        if rival != "seconds"
    }
    values = list(apart.values())
    beyond = sorted(name for name, value in apart.items() if value > 20)
    return (
        f"Ratios of a second run differ from these by {np.median(values):.0f} % (median) and "
        f"{max(values):.0f} % at most. By more than 20 %: {'; '.join(beyond) or 'none'}."
    )


def scaling(found: dict[str, Any]) -> str:
    """Format tables of the measurements, the constants of the model, and its predictions."""
    runs = list(found["rows"].values())
    small, large = [r for r in runs if r["MB"] < 2000], [r for r in runs if r["MB"] >= 2000]
    models = {step: fitted(small, step) for step in STEPS}
    measured = [
        [f"{row['MB']:.0f}", f"{row['partitions']:.0f}", *(shortly(row[name]) for name in SCALING)]
        for row in runs
    ]
    head = ["MB", "partitions", *(n if n.endswith("MB") else f"{n}, s" for n in SCALING)]
    constants = [
        [step, shortly(fixed), shortly(task * 1000), shortly(1 / each)]
        for step, (fixed, task, each) in models.items()
    ]
    predicted = [
        [f"{row['MB']:.0f}", step, *compared(seconds(model, row, 2), row[step])]
        for row in large
        for step, model in models.items()
    ]
    cluster = [
        [step, shortly(seconds(model, {"MB": 1e6, "partitions": PARTITIONS[step]}, 800))]
        for step, model in models.items()
    ]
    return "\n\n".join(
        (
            found["machine"],
            table(head, measured),
            "Least-squares fit to the runs below 2 GB:",
            table(["step", "fixed, s", "ms a task", "MB/s a core"], constants),
            "Prediction for the largest run, which is not part of the fit:",
            table(["MB", "step", "predicted, s", "measured, s", "error"], predicted),
            "Prediction for 1 TB on 800 such cores, if disks and network are not the bottleneck:",
            table(["step", "s"], cluster),
        )
    )


def growth(found: dict[str, Any]) -> str:
    """Format seconds a GB and peaks of the disk engine, by the size of the movie."""
    sizes = sorted({name.split()[0] for name in found["rows"] if name[0].isdigit()}, key=int)
    jobs = [name.split(maxsplit=2)[2] for name in found["rows"] if name.startswith(f"{sizes[0]} ")]
    lines = []
    for job in jobs:
        rows = [found["rows"].get(f"{size} GB {job}") for size in sizes]
        made = found["rows"].get(f"generated {job}")
        each = [row and row["seconds"] / row["GB"] for row in (*rows, made)]
        peaks = [row and row["ours, MB"] for row in (*rows, made)]
        lines.append([job, *map(shortly, each), *map(shortly, peaks)])
    names = [*(f"{size} GB" for size in sizes), "generated"]
    head = ["job", *(f"{name}, s/GB" for name in names), *(f"{name}, peak MB" for name in names)]
    return f"{found['machine']}\n\n{table(head, lines)}"


def compared(predicted: float, measured: float) -> list[str]:
    """Format a prediction, a measurement, and the relative error."""
    error = 100 * (predicted / measured - 1)
    return [shortly(predicted), shortly(measured), f"{error:+.0f} %"]


def fitted(runs: list[dict[str, float]], step: str) -> tuple[float, float, float]:
    """Seconds of a job, of a task, and of a megabyte, on one of two cores; none below 0."""
    matrix = np.array([[1, r["partitions"] / 2, r["MB"] / 2] for r in runs])
    taken = np.array([r[step] for r in runs])
    found = nnls(matrix / taken[:, None], np.ones(len(runs)))[0]  # of relative errors
    return tuple(found.tolist())


def seconds(model: tuple[float, float, float], run: dict[str, float], cores: int) -> float:
    """What the model says of a run."""
    fixed, task, each = model
    return fixed + (task * run["partitions"] + each * run["MB"]) / cores


def shortly(value: float | None) -> str:
    """Two or three digits."""
    return "" if value is None else f"{value:.0f}" if value >= 20 else f"{value:.2g}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """As Markdown has it."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def put(page: Path, text: str, name: str = "") -> None:
    """Replace what stands between the marks of a page; of several tables, that of a name."""
    start, end = f"<!-- measured{name and f': {name}'} -->", "<!-- end -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}", "utf-8")


if __name__ == "__main__":
    main()
