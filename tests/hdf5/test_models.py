"""Fitted models as JSON and HDF5."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import FormatError, NotFoundError, SpecError, WrongTypeError
from thunderlike.hdf5.models import Model


@dataclass(frozen=True, eq=False)
class Basis(Model):
    vectors: np.ndarray
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Fit(Model):
    basis: Basis | None
    values: Any
    names: tuple[str, ...] = ()
    derived: int = field(init=False, default=3)
    version: ClassVar[int] = 2

    @classmethod
    def from_fields(cls, version, fields):
        return cls(**({"basis": None, "values": fields["data"]} if version == 1 else fields))


VALUES = {
    "none": None,
    "true": True,
    "whole": 2**70,
    "third": 1 / 3,
    "least": 5e-324,
    "infinite": -np.inf,
    "numpy": np.float32(0.1),
    "text": 'x "é"',
    "nested": [1, (2.5, [True, None]), {"array": "a key that JSON uses"}],
}
ARRAYS = [
    np.array([[1 / 3, np.nan], [np.inf, -0.0]]),
    np.array([0.1, 1e30, np.nan], "float32"),
    np.arange(6, dtype=">i2").reshape(3, 2).T,
    np.array([2**64 - 1], "uint64"),
    np.array([True, False]),
    np.array(["a", "été"]),
    np.array(2.5),
    np.empty((0, 3)),
]


@pytest.mark.parametrize("suffix", [".json", ".h5", ".HDF5"])
def test_fields_are_read_back_exactly(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    whole = VALUES | ({} if suffix == ".json" else {"whole": 2**40})
    Fit(Basis(ARRAYS[0], 1 / 3), whole, ("x", "y")).save(path)
    found = Fit.load(path)
    assert type(found) is Fit
    assert type(found.basis) is Basis
    assert found.basis.scale == 1 / 3
    assert found.names == ("x", "y")
    assert found.values == whole
    np.testing.assert_array_equal(np.signbit(found.basis.vectors), np.signbit(ARRAYS[0]))


@pytest.mark.parametrize("suffix", [".json", ".h5"])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_arrays_keep_shape_dtype_and_values(array, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    Basis(array).save(path)
    found = Basis.load(path).vectors
    assert found.shape == array.shape
    assert found.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_a_base_loads_derived_models_and_no_others(tmp_path):
    Basis(ARRAYS[0]).save(tmp_path / "basis.json")
    assert type(Model.load(tmp_path / "basis.json")) is Basis
    with pytest.raises(FormatError, match=r"basis\.json: holds a model of class Basis, not a Fit"):
        Fit.load(tmp_path / "basis.json")


def test_earlier_versions_are_read_and_later_ones_refused():
    tl.save("memory://one.h5", {"model": "Fit", "version": 1, "fields": {"data": 7}})
    assert Fit.load("memory://one.h5").values == 7
    tl.save("memory://three.h5", {"model": "Fit", "version": 3, "fields": {"data": 7}})
    with pytest.raises(FormatError, match="version 3 of Fit, and this thunderlike reads versions"):
        Fit.load("memory://three.h5")


def tagged(**entries):
    return {"dict": {"model": "Basis", "version": 1, "fields": {"dict": {}}} | entries}


WRONG = {
    "truncated": b'{"dict": {"model": "Ba',
    "not text": b"\xff\xfe\x00",
    "a list": b"[1, 2]",
    "two kinds": b'{"dict": {}, "tuple": []}',
    "of another kind": b'{"pickle": "gASVBQ=="}',
    "deeply nested": b"[" * 100_000,
    "of an unknown class": json.dumps(tagged(model="os.system")).encode(),
    "of a listed class": json.dumps(tagged(model=[1])).encode(),
    "of version 0": json.dumps(tagged(version=0)).encode(),
    "of no version": json.dumps(tagged(version="1")).encode(),
    "without fields": json.dumps(tagged()).encode(),
    "fields are a number": json.dumps(tagged(fields=3)).encode(),
    "objects": json.dumps(
        {"array": {"dtype": "O", "shape": [1], "values": [{}]}},
    ).encode(),
    "another shape": json.dumps(
        {"array": {"dtype": "f8", "shape": [3], "values": [1.0]}},
    ).encode(),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_wrong_files_are_format_errors_with_the_path(content):
    storage.write("memory://wrong.json", content)
    with pytest.raises(FormatError, match=r"memory://wrong\.json: "):
        Basis.load("memory://wrong.json")


def test_hdf5_files_of_others_are_format_errors(tmp_path):
    tl.save(tmp_path / "x.h5", {"x": 1})
    with pytest.raises(FormatError, match="holds no model"):
        Basis.load(tmp_path / "x.h5")
    (tmp_path / "y.h5").write_bytes(b"no HDF5")
    with pytest.raises(FormatError, match=r"y\.h5"):
        Basis.load(tmp_path / "y.h5")


def test_what_cannot_be_saved_is_an_error_and_leaves_the_file(tmp_path):
    path = tmp_path / "model.json"
    Basis(ARRAYS[0]).save(path)
    before = path.read_bytes()
    for wrong in (object(), {1: 2}, np.array([1j]), np.array([None]), 1j):
        with pytest.raises(WrongTypeError, match="cannot be saved as JSON"):
            Fit(None, wrong).save(path)
    with pytest.raises(SpecError, match=r"ends in \.json, \.h5 or \.hdf5"):
        Basis(ARRAYS[0]).save(tmp_path / "model.pkl")
    assert path.read_bytes() == before
    with pytest.raises(NotFoundError):
        Basis.load(tmp_path / "missing.json")


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_models_compare_by_the_values_of_their_fields(array):
    one, same = (Fit(Basis(np.arange(3.0)), {"a": [array.copy()]}, ("x",)) for _ in range(2))
    assert one == same
    changed = np.zeros((7, 7))
    for other in (
        Fit(Basis(np.arange(3.0)), {"a": [changed]}, ("x",)),
        Fit(Basis(np.arange(4.0)), {"a": [array]}, ("x",)),
        Fit(Basis(np.arange(3.0)), {"b": [array]}, ("x",)),
        Fit(None, {"a": [array]}, ("x",)),
        one.basis,
        "text",
    ):
        assert one != other
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
