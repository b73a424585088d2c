"""Types of arguments, by the annotations of a signature."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.data import Blocks
from thunderlike.errors import BadIndexError, EngineError, NotFoundError, SpecError, WrongTypeError
from thunderlike.kernels._validation import checked_arguments

REFUSED = {
    "int": ["3", None, True, [3], np.bool_(True), object()],
    "int | None": ["3", False],
    "float": ["x", None, True, 1j],
    "bool": [1, 0, "True", None],
    "str": [b"x", 1, None],
    "str | None": [1],
    "Callable[[Any], Any]": [1, "print", None],
    "Sequence[int] | None": ["12", [1, "2"], 5, np.eye(2), "int16", np.dtype(int)],
    "int | Sequence[int]": ["2", [True], None],
    "tuple[int, ...]": ["int16", 3, None],
    "Sequence[str] | None": ["abc", [1]],
    "Sequence[Any]": ["abc", 1],
    "Iterable[Any]": [1, None],
    "Mapping[str, Any] | None": [[1]],
    "Literal['C', 'F']": ["c", 1, None],
    "DTypeLike": ["junk", object(), (2, 3)],
}
TAKEN = {
    "int": [3, np.int16(3), 3.0, np.array(3)],
    "int | None": [None, 3],
    "float": [2, 0.5, np.float32(1)],
    "bool": [True, np.bool_(False)],
    "str": ["x", np.str_("x")],
    "Callable[[Any], Any]": [print, np.add, type],
    "Sequence[int] | None": [(1, 2), [1], np.array([1, 2]), range(2), None, ()],
    "int | Sequence[int]": [2, (2, 3)],
    "Sequence[str] | None": [["a"], None],
    "Sequence[Any]": [[1, "a"], np.arange(3)],
    "Literal['C', 'F']": ["C", "F"],
    "DTypeLike": ["int16", int, np.float32, None, [("a", int)]],
    "Unknown": [1, "x", None],
    "Any": [1, "x", None],
}


def taking(annotation):
    def function(value: Any, *rest: Any, other: Any = None) -> Any:
        return value

    function.__annotations__ = {"value": annotation, "other": annotation}
    return checked_arguments(function)


@pytest.mark.parametrize("annotation", REFUSED)
def test_other_types_are_refused_by_position_and_by_name(annotation):
    function = taking(annotation)
    (first, *_) = TAKEN.get(annotation, [None])
    for value in REFUSED[annotation]:
        for call in (
            lambda value=value: function(value),
            lambda value=value: function(value=value),
            lambda value=value: function(first, other=value),
        ):
            with pytest.raises(WrongTypeError, match=r"function: (value|other) must be"):
                call()


@pytest.mark.parametrize("annotation", TAKEN)
def test_what_is_annotated_is_taken(annotation):
    function = taking(annotation)
    for value in TAKEN[annotation]:
        assert function(value, object(), other=value) is value


def test_errors_of_numpy_become_errors_of_the_package_and_ours_stay_what_they_are():
    def function(error: Any) -> Any:
        raise error

    for theirs, kind in (
        (TypeError("x"), WrongTypeError),
        (ValueError("x"), SpecError),
        (IndexError("x"), BadIndexError),
        (OverflowError("x"), SpecError),
        (MemoryError("x"), EngineError),
    ):
        with pytest.raises(kind, match=r"function: .*x") as raised:
            checked_arguments(function)(theirs)
        assert raised.value.__cause__ is theirs
    ours = NotFoundError("x")
    with pytest.raises(NotFoundError) as raised:
        checked_arguments(function)(ours)
    assert raised.value is ours
    assert raised.value.__cause__ is None
    with pytest.raises(WrongTypeError, match="missing"):
        checked_arguments(function)()


def test_what_is_checked_stays_what_it_was():
    function = tl.images.fromarray
    assert list(inspect.signature(function).parameters)[:2] == ["values", "labels"]
    assert pickle.loads(pickle.dumps(function)) is function
    assert function.__module__ == "thunderlike.images.creation"


def test_every_public_method_is_checked():
    for kind in (tl.Images, tl.Series, Blocks):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and inspect.signature(method).parameters.keys() - {"self"}:
                assert hasattr(method, "__wrapped__"), f"{kind.__name__}.{name}"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tl.images.fromarray(x, None, object()), "npartitions"),
        (lambda x: tl.images.fromarray(x, [1, 2, 3, 4], "spark"), "npartitions.*'spark'"),
        (lambda x: tl.images.fromarray(x, npartitions=0), "npartitions"),
        (lambda x: tl.images.fromarray(x, npartitions=1.5), "npartitions"),
        (lambda x: tl.series.fromarray(x, npartitions=True), "npartitions"),
        (lambda x: tl.images.fromlist([x], None, None, "int16"), "dims"),
        (lambda x: tl.images.fromrandom("spark"), "shape"),
        (lambda x: tl.images.fromarray(x).map(3), "func must be a function"),
        (lambda x: tl.images.fromarray(x).map(np.sum, "int16"), "value_shape"),
        (lambda x: tl.images.fromarray(x).map(np.sum, dtype="junk"), "dtype"),
        (lambda x: tl.images.fromarray(x).gaussian_filter("2"), "sigma"),
        (lambda x: tl.images.fromarray(x).gaussian_filter(2, True), "order"),
        (lambda x: tl.images.fromarray(x).sample("3"), "nsamples"),
        (lambda x: tl.images.fromarray(x).repartition(2.5), "npartitions"),
        (lambda x: tl.images.fromarray(x).tobinary("memory://args", overwrite="yes"), "overwrite"),
        (lambda x: tl.images.fromarray(x).mean(squeeze=1), "squeeze"),
        (lambda x: tl.series.fromarray(x).squelch("low"), "threshold"),
        (lambda x: tl.images.fromarray(x).toblocks(2).map(None), "func"),
        (lambda x: tl.arrays.block_sums(x, "spark"), "blocks"),
        (lambda x: tl.images.frombinary("nowhere", "int16", (2, 2)), "shape|dtype"),
    ],
)
def test_an_argument_in_the_place_of_another_is_named(call, message):
    with pytest.raises(SpecError, match=message):
        call(np.zeros((4, 3, 3)))
