"""Files of h5py, PyTables and MATLAB, with types that this package does not write."""

from __future__ import annotations

import datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
import tables

import thunderlike as tl
from thunderlike.errors import UnreadableError

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


def region(file):
    file["x"] = np.arange(3)
    file.create_dataset("r", data=[file["x"].regionref[1:]], dtype=h5py.regionref_dtype)


def moments(file):
    """HDF5's own type of time, which nothing of numpy stands for."""
    kind, space = h5py.h5t.UNIX_D32LE.copy(), h5py.h5s.create_simple((2,))
    h5py.h5d.create(file.id, b"r", kind, space)


def attribute(file):
    file["x"] = np.arange(3)
    file.attrs["r"] = file["x"].ref


def table(file):
    file.create_dataset("r", (2,), np.dtype([("n", "i4"), ("to", h5py.ref_dtype)]))


UNREAD = {
    "references": references,
    "references, which": region,
    "references, which are": table,
    "references, which are not": attribute,
    "without a numpy dtype": moments,
    "neither a group nor an array": lambda file: file.__setitem__("r", np.dtype("i4")),
}


@pytest.mark.parametrize("reason", UNREAD)
def test_what_is_not_read_is_left_out_and_an_error_by_name(tmp_path, reason):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        UNREAD[reason](file)
        file["good"] = 5
    with pytest.warns(UserWarning, match=rf"x\.h5: left out 1 entry .*/r \(.*{reason}") as caught:
        found = tl.load(tmp_path / "x.h5")
    assert found["good"] == 5
    assert "r" not in found
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]
    with pytest.raises(UnreadableError, match=rf"x\.h5: /r: .*{reason}"):
        tl.load(tmp_path / "x.h5", "/r")
    assert tl.load(tmp_path / "x.h5", "/good") == 5
    assert "/good" in str(tl.hdf5.ls(tmp_path / "x.h5"))


def test_one_warning_names_all_that_is_left_out(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        references(file)
        file["g/old"] = h5py.SoftLink("/gone")
        file["g/deep/n"] = 1
        file["g/deep"].attrs["to"] = file["x"].ref
        file["same"] = h5py.SoftLink("/g/deep")
    with pytest.warns(UserWarning, match="left out 3 entries") as caught:
        found = tl.load(tmp_path / "x.h5")
    (warning,) = caught
    assert all(name in str(warning.message) for name in ("/r (", "/g/old (", "/g/deep/to ("))
    assert found["g"] == {"deep": {"n": 1}}
    assert found["same"] is found["g"]["deep"]
    with pytest.warns(UserWarning, match="/g/old"):
        assert tl.load(tmp_path / "x.h5", "/g") == found["g"]


def test_a_group_that_was_begun_is_not_found_by_another_link(tmp_path):
    """A list that holds what cannot be read is left out each time it is met."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = 1
        group = file.create_group("a")
        group.attrs["TITLE"] = "list:2"
        group["i0"] = 1
        group["i1"] = np.dtype("f8")
        file["b"] = group
    with pytest.warns(UserWarning, match="left out 2 entries .*: /a .*, /b "):
        assert tl.load(tmp_path / "x.h5") == {"x": 1}


def test_rows_of_any_length_and_opaque_values(tmp_path, same):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        rows = file.create_dataset("v", (3,), h5py.vlen_dtype(">i4"))
        rows[0], rows[2] = [1, 2], [3]
        file["o"] = np.void(b"abc")
        file["p"] = np.array([b"ab", b"cd"], "V2")
        times = np.array(["2020-01-02"], "M8[s]")
        file["t"] = times.astype(h5py.opaque_dtype(times.dtype))
        lists = np.array([np.array([1, 2]), np.array([3])], object)
        file.attrs.create("a", lists, dtype=h5py.vlen_dtype("i8"))
    found = tl.load(tmp_path / "x.h5")
    assert [row.tolist() for row in found["v"]] == [[1, 2], [], [3]]
    assert found["v"][0].dtype == np.dtype("i4")
    assert [row.tolist() for row in tl.load(tmp_path / "x.h5", "/v", sel=[2, 0])] == [[3], [1, 2]]
    assert found["o"].tobytes() == b"abc"
    assert [item.tobytes() for item in found["p"]] == [b"ab", b"cd"]
    assert same(found["t"], times)
    assert [row.tolist() for row in found["a"]] == [[1, 2], [3]]


def test_a_part_of_texts_of_any_length(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["t"] = np.array(["a", "bc", "d"], TEXT)
    assert tl.load(tmp_path / "x.h5", "/t", sel=slice(1, None)).tolist() == ["bc", "d"]
    assert tl.load(tmp_path / "x.h5", "/t", sel=-1) == "d"


def test_rows_of_pytables(tmp_path):
    with tables.open_file(tmp_path / "x.h5", "w") as file:
        for name, atom, rows in (
            ("n", tables.Int32Atom(), ([1, 2], [3])),
            ("pairs", tables.Int32Atom(shape=(2,)), ([[1, 2], [3, 4]], [[5, 6]])),
            ("u", tables.VLUnicodeAtom(), ("h\u00e4llo", "\U0001f600")),
            ("s", tables.VLStringAtom(), (b"abc.", b"")),
            ("o", tables.ObjectAtom(), ([1, "a"], {"b": 2.5})),
        ):
            array = file.create_vlarray("/", name, atom)
            for row in rows:
                array.append(row)
    found = tl.load(tmp_path / "x.h5")
    assert [row.tolist() for row in found["n"]] == [[1, 2], [3]]
    assert [row.tolist() for row in found["pairs"]] == [[[1, 2], [3, 4]], [[5, 6]]]
    assert found["u"] == ["h\u00e4llo", "\U0001f600"]
    assert found["s"] == [b"abc.", b""]
    assert found["o"] == [[1, "a"], {"b": 2.5}]
    assert tl.load(tmp_path / "x.h5", "/u", sel=1) == "\U0001f600"
    assert [row.tolist() for row in tl.load(tmp_path / "x.h5", "/n", sel=slice(1, 2))] == [[3]]
    rows = str(tl.hdf5.ls(tmp_path / "x.h5")).splitlines()
    assert [row.split(maxsplit=1)[1] for row in rows] == [
        "list (2,) [int32]", "pickled [object]", "list (2,) [int32]",
        "list (2,) [ascii]", "list (2,) [unicode]",
    ]  # fmt: skip


def test_an_nwb_file_of_ours_is_loaded(tmp_path):
    start = datetime.datetime(2026, 5, 4, tzinfo=datetime.UTC)
    series = tl.images.fromrandom((6, 4, 5)).toseries()
    series.tonwb(tmp_path / "x.nwb", "movie", rate=30, session_start_time=start)
    with pytest.warns(UserWarning, match=r"x\.nwb: left out .*specloc \(holds references"):
        found = tl.load(tmp_path / "x.nwb")
    assert found["acquisition"]["movie"]["data"].shape == (6, 4, 5)


# MATLAB


def matlab(parent, name, values, kind, **attrs):
    node = parent.create_dataset(name, data=values)
    for attr, value in {"MATLAB_class": np.bytes_(kind), **attrs}.items():
        node.attrs[attr] = value
    return node


@pytest.fixture
def mat(tmp_path):
    """A file as MATLAB's ``save -v7.3`` writes it."""
    path = tmp_path / "m.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        heap = file.create_group("#refs#")
        hi = matlab(heap, "a", np.array([[104], [105]], "u2"), "char")
        six = matlab(heap, "b", np.arange(6.0).reshape(3, 2), "double")
        matlab(file, "mov", np.zeros((3, 4, 5)), "double")
        matlab(file, "empty", np.array([0, 3], "u8"), "double", MATLAB_empty=np.uint8(1))
        matlab(file, "none", np.array([0, 0], "u8"), "char", MATLAB_empty=np.uint8(1))
        matlab(file, "text", np.array([[104], [105]], "u2"), "char")
        matlab(file, "rows", np.array([[97, 99], [98, 100]], "u2"), "char")
        matlab(file, "truths", np.array([[1], [0]], "u1"), "logical")
        pairs = np.array([(1.0, 2.0)], [("real", "f8"), ("imag", "f8")])
        matlab(file, "complex", pairs, "double")
        cells = np.array([[hi.ref], [six.ref], [h5py.Reference()]], h5py.ref_dtype)
        matlab(file, "cells", cells, "cell")
        struct = file.create_group("struct")
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        struct["x"] = np.array([[six.ref]], h5py.ref_dtype)
        matlab(file, "string", np.arange(6, dtype="u4"), "string", MATLAB_object_decode=3)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    return path


def test_what_matlab_saves(mat, same):
    with pytest.warns(UserWarning, match=r"left out 1 entry .*/string \(is a MATLAB object"):
        found = tl.load(mat)
    assert "#refs#" not in found
    assert found["mov"].shape == (3, 4, 5)
    assert same(found["empty"], np.empty((3, 0)))
    assert found["none"] == ""
    assert same(found["text"], np.str_("hi"))
    assert same(found["rows"], np.array(["ab", "cd"]))
    assert same(found["truths"], np.array([[True], [False]]))
    assert same(found["complex"], np.array([1 + 2j]))
    hi, six, missing = found["cells"].ravel()
    assert (hi, missing) == ("hi", None)
    assert same(six, np.arange(6.0).reshape(3, 2))
    assert found["struct"]["x"][0, 0] is six
    assert tl.load(mat, "/cells", sel=(0, 0)) == "hi"
    assert same(tl.load(mat, "/truths", sel=0), np.array([True]))
    with pytest.raises(tl.errors.SpecError, match="is text"):
        tl.load(mat, "/text", sel=0)


def test_references_of_other_programs_are_not_followed(tmp_path):
    """Only a file that has MATLAB's heap of values has cells."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        references(file)
    with pytest.warns(UserWarning, match="left out"):
        assert list(tl.load(tmp_path / "x.h5")) == ["x"]
