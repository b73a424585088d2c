"""Single values kept in the metadata: compat=False."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import GroupMissingError, Hdf5Error, SpecError


@pytest.fixture
def path(tmp_path):
    data = {"n": 5, "t": "text", "b": b"raw", "l": [1.5, {"deep": True}], "x": np.arange(3)}
    tl.save(tmp_path / "x.h5", data, compat=False)
    return tmp_path / "x.h5"


def test_other_programs_see_arrays_and_what_only_attributes_hold(path):
    with h5py.File(path) as file:
        assert sorted(file) == ["l", "x"]
        assert not {"n", "t"} & set(file.attrs)
        assert file.attrs["b"] == b"raw"


def test_values_are_found_by_path_and_listed(path):
    assert tl.load(path, "/l/i1/deep") is True
    assert tl.load(path, "/n", types="numpy").dtype == np.int64
    with pytest.raises(GroupMissingError, match=r"are b, l, n, t, x"):
        tl.load(path, "/none")
    text = str(tl.hdf5.ls(path))
    assert "/n                 5 [int64]" in text
    assert "/l/i1/deep         True [bool]" in text


def test_an_update_replaces_them_either_way(path):
    tl.save(path, {"n": np.arange(2), "t": 1}, mode="a")
    found = tl.load(path)
    assert found["n"].tolist() == [0, 1]
    assert found["t"] == 1
    assert found["l"] == [1.5, {"deep": True}]
    tl.save(path, {"n": 7}, mode="a", compat=False)
    assert tl.load(path, "/n") == 7


def test_what_another_program_writes_is_newer(path):
    with h5py.File(path, "a") as file:
        file.attrs["n"] = 2.5
    assert tl.load(path, "/n") == 2.5


def test_it_needs_metadata(tmp_path):
    with pytest.raises(SpecError, match="compat=False"):
        tl.save(tmp_path / "x.h5", {}, meta=False, compat=False)


@pytest.mark.parametrize("values", ["[1]", '{"n":[1]}', '{"n":null}'])
def test_damaged_values_are_an_error(tmp_path, values):
    tl.save(tmp_path / "x.h5", {"n": 5}, compat=False)
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file.attrs["DEEPDISH_IO_TL"] = f'{{"entries":{{"n":"int"}},"values":{values}}}'
    with pytest.raises(Hdf5Error, match="metadata"):
        tl.load(tmp_path / "x.h5")
