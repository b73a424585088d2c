"""Write docs/reference.md: what each method gives and costs, measured on engines that count.

    python docs/make_reference.py

No line of the table is written by hand: each method is called, on an engine that raises when
something is computed and on one that counts what it is asked.
"""

from __future__ import annotations

import datetime
import inspect
import re
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

import thunderlike as tl
from thunderlike import storage
from thunderlike.data import Blocks, Images, Series
from thunderlike.testing import ComputedError, CountingEngine, LazyEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parent / "reference.md"

HEAD = """\
# What each method gives and costs

Made by `python docs/make_reference.py`, which calls every method; `./dev test` fails when this page
is not what it makes.

*Lazy* methods only plan: on Spark nothing is computed until something asks for values. The others
compute when they are called: *jobs* says how often they go over the values then. A *shuffle* sends
all values between workers, when the result is computed; so does an index that changes the order of
the records. The one job of `map` is a look at the first record, and there is none when both
`value_shape` and `dtype` are given. All methods are on both engines, with
equal results, but where *engine* says otherwise; the local engine computes at once.
"""

SIGNAL = np.arange(12.0)
HERE = "memory://reference"

# Arguments of the methods that need some.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "aggregate_by_index": (np.sum,),
    "astype": ("float32",),
    "between": (2, 5),
    "clip": (0, 1),
    "coalesce": (1,),
    "convolve": (SIGNAL,),
    "correlate": (SIGNAL,),
    "crosscorr": (SIGNAL,),
    "dotdivide": (2,),
    "dottimes": (2,),
    "element_wise": (2, np.add),
    "filter": (np.any,),
    "foreach": (len,),
    "fourier": (2,),
    "map": (np.negative,),
    "map_as_series": (np.negative,),
    "map_generic": (np.shape,),
    "mean_by_panel": (4,),
    "mean_by_window": ([5], 2),
    "minus": (2,),
    "normalize": ("mean",),
    "plus": (2,),
    "reduce": (np.add,),
    "repartition": (2,),
    "select": (3,),
    "select_by_index": (3,),
    "series_percentile": (50,),
    "series_stat": ("mean",),
    "squelch": (1,),
    "stat_by_index": ("mean",),
    "subsample": (2,),
    "subtract": (2,),
    "times": (2,),
    "tobinary": (f"{HERE}/bin",),
    "tohdf5": (f"{HERE}/all.h5",),
    "tomsgpack": (f"{HERE}/samples",),
    "tonpy": (f"{HERE}/all.npy",),
    "tonwb": (f"{HERE}/all.nwb",),
    "topng": (f"{HERE}/png",),
    "totext": (f"{HERE}/text",),
    "totif": (f"{HERE}/tif",),
    "tozarr": (f"{HERE}/zarr",),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "tonwb": {
        "rate": 30,
        "session_start_time": datetime.datetime(2026, 5, 4, tzinfo=datetime.UTC),
    },
}
# Large libraries that are not needed to count what they ask for.
STANDING_IN = ("napari", "napari.layers", "torch")
RESHAPES = {"Images": (12, 2, 12), "Series": (24, 12)}
SPARK_ONLY = {"tordd"}
MOVES = {"tospark"}  # needs a Spark to go to


def main() -> None:
    """Write the page."""
    TARGET.write_text(page(), "utf-8")


def page() -> str:
    """Make the page."""
    tables = [table(kind) for kind in (Images, Series, Blocks)]
    return "\n".join([HEAD, *tables])


def table(kind: type) -> str:
    """Make the table of one class."""
    rows = [row(kind, name) for name in methods(kind)]
    head = f"## {kind.__name__}\n\n| method | lazy | jobs | shuffles | engine | what it does |\n"
    return head + "| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"


def methods(kind: type) -> list[str]:
    """Names of the public methods of a class."""
    found = inspect.getmembers(kind, callable)
    return [name for name, _ in found if not name.startswith("_")]


def row(kind: type, name: str) -> str:
    """Call a method and say what it cost."""
    told = (inspect.getdoc(getattr(kind, name)) or "").splitlines()[0]
    summary = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", told).replace("|", "\\|")
    if name in SPARK_ONLY | MOVES:
        lazy, jobs, shuffles, engine = "yes", "0", "0", "Spark" if name in SPARK_ONLY else "both"
    else:
        counted = CountingEngine()
        call(kind, name, counted)
        asked = counted.asked
        jobs = str(asked["aggregate"] + asked["collect"] + asked["stream"])
        lazy, shuffles, engine = (
            is_lazy(kind, name),
            str(asked["regroup"] + asked["repartition"]),
            "both",
        )
    return f"| `{name}` | {lazy} | {jobs} | {shuffles} | {engine} | {summary} |"


def is_lazy(kind: type, name: str) -> str:
    """Call it on an engine that raises when something is computed."""
    try:
        call(kind, name, LazyEngine())
    except ComputedError:
        return "no"
    return "yes"


def call(kind: type, name: str, engine: Any) -> None:
    """Call a method on a small movie, on an engine."""
    thing = subject(kind, engine)
    if isinstance(engine, CountingEngine):
        engine.asked.clear()  # of what was asked to make the subject
    arguments = RESHAPES[kind.__name__] if name == "reshape" else ARGUMENTS.get(name, ())
    try:
        with warnings.catch_warnings(), standing_in():
            warnings.simplefilter("ignore")
            getattr(thing, name)(*arguments, **OPTIONS.get(name, {}))
    finally:
        storage.delete(HERE)


@contextmanager
def standing_in() -> Iterator[None]:
    """Have something in the place of large libraries, whether they are there or not."""
    there = {name: sys.modules.get(name) for name in STANDING_IN}
    sys.modules.update({name: mock.MagicMock() for name in STANDING_IN})
    try:
        yield
    finally:
        for name, module in there.items():
            del sys.modules[name]
            sys.modules.update({} if module is None else {name: module})


def subject(kind: type, engine: Any) -> Any:
    """A movie of 12 images, its series or its blocks."""
    images = tl.images.fromarray(np.ones((12, 4, 6), np.uint8), engine=engine)
    if kind is Images:
        return images
    return images.toseries() if kind is Series else images.toblocks(2)


if __name__ == "__main__":
    main()
