"""Files that h5py, and so others, write: what HDF5 has beyond what we write ourselves."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import Hdf5Error

TEXT = h5py.string_dtype()
MIXED = np.dtype([("n", "i4"), ("t", TEXT), ("in", [("x", "f8", (2,))])])

VALUES = {
    "truths": ([True, False], np.array([True, False])),
    "small": (np.array([1, 2], "i1"), np.array([1, 2], "i1")),
    "big endian": (np.array([1, 2], ">i4"), np.array([1, 2], "i4")),
    "half": (np.float16(0.5), np.float16(0.5)),
    "one": (5.5, np.float64(5.5)),
    "text": ("na\u00efve", np.str_("na\u00efve")),
    "bytes": (np.array([b"a", b"bc"]), np.array([b"a", b"bc"])),
    "fields": (np.array([(1, 2.5)], "i4,f8"), np.array([(1, 2.5)], "i4,f8")),
    "nothing": (h5py.Empty("f4"), np.empty(0, "f4")),
    "rows of none": (np.empty((0, 3)), np.empty((0, 3))),
    "texts": (np.array(["a", "\u2603"], TEXT), np.array(["a", "\u2603"])),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_and_attributes_are_numpys(tmp_path, same, name):
    stored, wanted = VALUES[name]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = stored
        file["g/y"] = 1
        file["g"].attrs["x"] = stored
    assert same(tl.load(tmp_path / "x.h5", "/x"), wanted)
    assert same(tl.load(tmp_path / "x.h5", "/g/x"), wanted)
    assert len(str(tl.hdf5.ls(tmp_path / "x.h5")).splitlines()) == 4


def test_an_enumeration_does_not_change_what_bytes_are(tmp_path):
    """The two have one numpy dtype, and different types in the file."""
    kind = h5py.enum_dtype({"A": 1, "B": 2}, basetype="i1")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("e", data=np.array([1, 2], "i1"), dtype=kind)
        file["i"] = np.array([3, 4], "i1")
        file.attrs.create("f", 2, dtype=kind)
    for names in (["e", "i", "f"], ["i", "f", "e"]):
        found = dict(zip(names, tl.load(tmp_path / "x.h5", names), strict=True))
        assert [found["e"].tolist(), found["i"].tolist(), found["f"]] == [[1, 2], [3, 4], 2]


def test_text_among_fields_and_packed_arrays(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("m", (2,), MIXED)[0] = (1, "ab", ((2.0, 3.0),))
        file.create_dataset("p", data=np.arange(1000), compression="lzf", chunks=(64,))
        file["p"].make_scale("s")
    found = tl.load(tmp_path / "x.h5")
    assert found["m"][0].tolist()[:2] == (1, b"ab")
    assert (found["p"] == np.arange(1000)).all()
    assert (tl.load(tmp_path / "x.h5", "/p", sel=[900, 3, 64]) == [900, 3, 64]).all()


def references(file):
    file["x"] = np.arange(3)
    file.create_dataset("r", (1,), h5py.ref_dtype)[0] = file["x"].ref


UNREAD = {
    "vlen": lambda file: file.create_dataset("r", (2,), h5py.vlen_dtype("i4")),
    "reference": references,
    "opaque": lambda file: file.create_dataset("r", data=np.array([b"ab"], "V2")),
    "neither a group nor an array": lambda file: file.__setitem__("r", np.dtype("i4")),
}


@pytest.mark.parametrize("told", UNREAD)
def test_what_is_not_read_is_named_and_the_rest_can_be_loaded(tmp_path, told):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        UNREAD[told](file)
        file["good"] = 5
    with pytest.raises(Hdf5Error, match=rf"x\.h5: /r: .*{told}"):
        tl.load(tmp_path / "x.h5")
    assert tl.load(tmp_path / "x.h5", "/good") == 5
    assert "/good" in str(tl.hdf5.ls(tmp_path / "x.h5"))
