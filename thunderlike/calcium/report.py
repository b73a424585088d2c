"""Report of a run: one HTML file with its figures inside, for wide and narrow screens."""

from __future__ import annotations

import base64
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._text import printable
from thunderlike.calcium import figures
from thunderlike.viz.plots import NOT_DRAWN, can_draw, png_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.figure import Figure

    from thunderlike.calcium.results import Plane

__all__ = ["html"]

_MOST_ROWS = 500  # of the table of cells; all are in cells.h5
_STYLE = """
:root { --ink: #1d2429; --dim: #5b666e; --line: #dfe4e8; --paper: #fff; --wash: #f5f7f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .6rem; padding-top: .7rem; border-top: 1px solid var(--line);
  font-size: 1.2rem; }
p { margin: .3rem 0 .8rem; color: var(--dim); overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem;
  margin: 1.2rem 0; }
.facts div { padding: .6rem .8rem; border-radius: .5rem; background: var(--wash); }
.facts b { display: block; font-size: 1.35rem; line-height: 1.3; }
.facts span { color: var(--dim); font-size: .85rem; }
.figures { display: grid; gap: 1.2rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; min-width: 0; max-width: 38rem; }
img { display: block; width: 100%; height: auto; }
figcaption { color: var(--dim); font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td { overflow-wrap: anywhere; }
td.n, th.n { text-align: right; white-space: nowrap; }
tr.no td { color: var(--dim); }
details > summary { cursor: pointer; }
code { font-size: .9em; overflow-wrap: anywhere; }
@media print { .figures { grid-template-columns: 1fr 1fr; } details { display: block; } }
"""


def html(summary: dict[str, Any], planes: Sequence[Plane]) -> bytes:
    """Return the report as one self-contained HTML file.

    Parameters
    ----------
    summary : dict
        Of the run.
    planes : sequence of Plane
        Results of each plane.

    Returns
    -------
    bytes
        UTF-8. Without matplotlib, the figures are missing and the report says so.
    """
    title = summary["output"].rstrip("/").rpartition("/")[2]
    body = [
        f"<h1>{_text(title)}</h1>",
        f"<p>Calcium imaging of {_text(summary['input'].get('path', 'an array'))}</p>",
        _facts(summary),
    ]
    if not can_draw():
        body.append(f"<p>Figures are {_text(NOT_DRAWN)}</p>")
    for plane, facts in zip(planes, summary["planes"], strict=True):
        body += _plane(plane, facts, summary)
    body += ["<h2>Run</h2>", _run(summary)]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}: calcium imaging</title><style>{_STYLE}</style></head><body>"
    )
    return "\n".join([head, *body, "</body></html>\n"]).encode()


def _facts(summary: dict[str, Any]) -> str:
    count, *shape = summary["input"]["shape"]
    fs = summary["input"]["fs"]
    cells = [facts["cells"] for facts in summary["planes"]]
    shown = {
        "cells": sum(one["accepted"] for one in cells),
        "components found": sum(one["found"] for one in cells),
        "frames": f"{count:,}",
        "pixels": " \u00d7 ".join(map(str, shape)),
        f"at {fs:.4g} Hz": _duration(count / fs),
        f"of computing, {summary['engine']}": _duration(summary["seconds"]["total"]),
    }
    boxes = (
        f"<div><b>{value}</b><span>{_text(name)}</span></div>" for name, value in shown.items()
    )
    return f'<div class="facts">{"".join(boxes)}</div>'


def _plane(plane: Plane, facts: dict[str, Any], summary: dict[str, Any]) -> list[str]:
    """Return the sections of a plane."""
    of = "" if plane.number is None else f" of plane {plane.number}"
    fs, found = summary["input"]["fs"], []
    if (motion := facts["motion"]) is not None:
        found += [
            f"<h2>Motion{of}</h2>",
            f"<p>{_moved(motion)}</p>",
            _figures([(partial(figures.motion, plane.motion, fs), "Shifts of each frame")]),
        ]
    cells = facts["cells"]
    found.append(f"<h2>Cells{of}</h2>")
    if not cells["found"]:
        return [*found, "<p>No cells were found.</p>"]
    found += [
        f"<p>{cells['accepted']} of {cells['found']} components are accepted as cells.</p>",
        _figures(
            [
                (partial(figures.cells, plane, "mean"), "Mean of the registered movie, cells"),
                (partial(figures.cells, plane, "correlation"), "Correlation with neighbours"),
            ]
        ),
        f"<h2>Traces and quality{of}</h2>",
        f"<p>{facts['events']:,} {_plural(facts['events'], 'event')} in all accepted cells.</p>",
        _figures(
            [
                (partial(figures.traces, plane, fs), "dF/F of the clearest cells, and events"),
                (partial(figures.quality, plane.cells), "Accepted in blue, others in grey"),
            ]
        ),
        _table_of_cells(plane),
    ]
    return found


def _moved(motion: dict[str, Any]) -> str:
    bad = len(motion["bad_frames"])
    return (
        f"{_text(motion['algorithm'])}: shifts of up to {motion['largest_shift']:.1f} pixels, with "
        f"a predicted error of {max(motion['median_stderr']):.2f} pixels; {bad} "
        f"{_plural(bad, 'frame')} could not be registered."
    )


def _figures(drawn: Iterable[tuple[Callable[[], Figure], str]]) -> str:
    """Return figures side by side where there is room; nothing without matplotlib."""
    if not can_draw():
        return ""
    parts = []
    for draw, caption in drawn:
        data = base64.b64encode(png_of(draw())).decode()
        parts.append(
            f'<figure><img alt="{_text(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{_text(caption)}</figcaption></figure>"
        )
    return f'<div class="figures">{"".join(parts)}</div>'


def _table_of_cells(plane: Plane) -> str:
    cells = plane.cells
    events = plane.events.counts
    columns = {name: values for name, values in cells.quality.items() if values.ndim == 1}
    numbers = np.arange(min(cells.count, _MOST_ROWS))
    axes = ("plane", "row", "column")[-len(cells.shape) :]
    head = ["cell", *axes, "pixels", "accepted", "events", *columns]
    rows = [
        [
            str(k),
            *(f"{x:.1f}" for x in cells.centers[k]),
            str(cells.areas[k]),
            "yes" if cells.accepted[k] else "no",
            str(events[k]),
            *(_cell(values[k]) for values in columns.values()),
        ]
        for k in numbers
    ]
    rest = "" if len(numbers) == cells.count else f", the first {len(numbers)} of {cells.count}"
    classes = ["" if cells.accepted[k] else "no" for k in numbers]
    table = _table(head, rows, numeric=True, classes=classes)
    return f"<details><summary>Table of components{rest}</summary>{table}</details>"


def _cell(value: Any) -> str:
    """Return a measure, or a text such as the name of a region, for a table."""
    return _text(str(value)) if isinstance(value, str) else f"{value:.3g}"


def _run(summary: dict[str, Any]) -> str:
    seconds = [[name, f"{value:.1f}"] for name, value in summary["seconds"].items()]
    used = [[f"{name} {version}"] for name, version in summary["versions"].items()]
    parameters = [
        [f"<code>{_text(name)}</code>", f"<code>{_text(_short(value))}</code>"]
        for name, value in summary["parameters"].items()
    ]
    command = summary["command"]
    called = f"<p>Command: <code>{_text(command)}</code></p>" if command else ""
    return (
        f"{called}<div class='figures'><div>{_table(['step', 'seconds'], seconds, numeric=True)}"
        f"</div><div>{_table(['versions'], used)}</div></div>"
        f"{_table(['parameter', 'value'], parameters)}"
    )


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: bool = False,
    classes: Sequence[str] = (),
) -> str:
    """Return a table; with `numeric`, columns after the first are aligned to the right."""
    cell = [' class="n"' if numeric and i else "" for i in range(len(head))]
    top = "".join(f"<th{c}>{_text(name)}</th>" for c, name in zip(cell, head, strict=True))
    lines = []
    for number, row in enumerate(rows):
        mark = f' class="{classes[number]}"' if classes and classes[number] else ""
        inner = "".join(f"<td{c}>{value}</td>" for c, value in zip(cell, row, strict=True))
        lines.append(f"<tr{mark}>{inner}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> _duration(0.42), _duration(83), _duration(7500)
    ('0.4 s', '1 min 23 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


def _text(text: object) -> str:
    """Escape a text from files and users."""
    return escape(printable(str(text)))
