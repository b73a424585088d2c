"""Public functions with odd values in each argument: a result or an error of the package."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import itertools

import numpy as np
import pytest

import thunderlike as tl

ODD = (
    *(np.arange(3), np.array(["a", "b"]), None, "junk", {"a": 1}, -1, float("nan")),
    *(object(), [1, "a", None], b"x", [], True),
)
ARRAY = np.arange(24.0).reshape(4, 6)
USUAL = {
    **dict.fromkeys(("arr", "data", "a", "X", "im", "img", "ii", "alpha"), ARRAY),
    **dict.fromkeys(("f", "function", "func"), lambda _: 0),
    **dict.fromkeys(("items", "params", "axes", "r0", "c0", "r1", "c1", "seed", "lengths"), 0),
    "items": [1],
    "params": [(1,)],
    "W": np.eye(6),
    "w_epsilon": 0.1,
    "n": 5,
    "padwidth": 1,
    "shape": (5, 7),
    "size": (2, 2),
    "offset": (1, 1),
    "threshold": 0.1,
    "factor": 0.5,
    "bb": (0, 0, 2, 2),
    "images": [ARRAY],
    "patch_shape": (2, 2),
    "samples_per_image": 2,
    "array": np.arange(3),
    "group": "/x",
    "reader": None,
    "obj": 1,
    "position": 0,
}
FUNCTIONS = [
    (room, name)
    for room, names in {
        "hdf5": ("save", "load", "append", "ls"),
        "parallel": (
            *("generator", "seeded"),
            "pmap",
            "imap",
            "imap_unordered",
            "starmap",
            "starmap_unordered",
        ),
        "util": tuple(set(tl.util.__all__) - {"images", "aslice"}),
        "util.images": tuple(set(tl.util.images.__all__) - {"open_image"}),
        "datasets": ("MsgpackReader", "FileWriter", "ShardWriter", "ShardedReader", "check"),
        "datasets.reader": ("Range", "Repeater", "Select", "Cycler"),
        "datasets.shuffle": ("Shuffler", "QuasiShuffler"),
        "batches": ("Dataset", "DatasetIndex"),
    }.items()
    for name in sorted(names)
]


def calls(function):
    """Arguments, each odd value in the place of each."""
    parameters = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    usual = {one.name: USUAL.get(one.name) for one in parameters if one.default is one.empty}
    if "reader" in usual:
        usual["reader"] = tl.datasets.ListReader([{"key": "a"}, {"key": "b"}])
    if "path" in usual:
        usual["path"] = "there.h5"
    for one, value in itertools.product(parameters, ODD):
        yield {**usual, one.name: value}


@pytest.mark.parametrize(("room", "name"), FUNCTIONS, ids=map(".".join, FUNCTIONS))
@pytest.mark.filterwarnings("ignore")
def test_odd_arguments_are_taken_or_refused_by_an_error_of_ours(tmp_path, monkeypatch, room, name):
    monkeypatch.chdir(tmp_path)
    tl.hdf5.append("there.h5", "/x", np.arange(3))
    function = getattr(importlib.import_module(f"thunderlike.{room}"), name)
    for keywords in calls(function):
        with contextlib.suppress(tl.ThunderlikeError), contextlib.redirect_stdout(io.StringIO()):
            found = function(**keywords)
            if hasattr(found, "__next__"):
                list(itertools.islice(found, 3))
            if hasattr(found, "close"):
                found.close()
