"""No file runs code or reads another file; each attempt is an error that names the node."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tables

import thunderlike as tl
from thunderlike.cli import main
from thunderlike.errors import Hdf5Error, RefusedError
from thunderlike.formats import hdf5 as formats_hdf5

SCRIPT = Path(__file__).parent / "hostile.py"
SPEC = importlib.util.spec_from_file_location("hostile", SCRIPT)
hostile = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(hostile)


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A file that a payload would make."""
    path = tmp_path / "marker"
    monkeypatch.setenv("MARKER", str(path))
    return path


def test_the_payload_works(marker):
    pickle.loads(hostile.PICKLE)
    assert marker.exists()


def test_pytables_by_itself_runs_it(tmp_path, marker):
    """Show that the attacks work with the installed PyTables."""
    make, _ = hostile.FILES["root user"]
    make(tmp_path / "x.h5")
    with tables.open_file(tmp_path / "x.h5"):
        pass
    assert marker.exists()


@pytest.mark.parametrize("name", hostile.FILES)
def test_load_refuses_and_says_where_and_ls_runs_nothing(tmp_path, marker, name):
    make, node = hostile.FILES[name]
    make(tmp_path / "x.h5")
    for policy in ("refuse", "restricted"):
        with pytest.raises((Hdf5Error, tl.errors.GroupMissingError)) as caught:
            tl.load(tmp_path / "x.h5", pickle=policy, max_bytes=2**28)
        assert str(caught.value).startswith(f"{tmp_path / 'x.h5'}: {node}: ")
        assert "\n" not in str(caught.value)
        assert not marker.exists()
    try:
        message = str(tl.hdf5.ls(tmp_path / "x.h5"))
    except Hdf5Error as error:
        message = str(error)
        assert "\n" not in message
    assert "secret bytes" not in message
    assert not marker.exists()


def test_text_that_would_be_a_pickle_elsewhere_is_bytes(tmp_path, marker):
    make, node = hostile.HARMLESS["marked row"]
    make(tmp_path / "x.h5")
    assert tl.load(tmp_path / "x.h5", node, pickle="allow") == [hostile.PICKLE]
    assert not marker.exists()


def test_a_link_to_nothing_is_left_out_and_an_error_by_name(tmp_path):
    make, node = hostile.HARMLESS["dangling"]
    make(tmp_path / "x.h5")
    with pytest.warns(UserWarning, match=rf"left out 1 entry .*{node} \(leads to /nowhere"):
        assert list(tl.load(tmp_path / "x.h5")["group"]) == ["array"]
    with pytest.raises(tl.errors.GroupMissingError, match=rf"x\.h5: {node}: leads to /nowhere"):
        tl.load(tmp_path / "x.h5", node)


def test_a_fresh_process_is_as_safe(tmp_path):
    make, _ = hostile.FILES["object row"]
    make(tmp_path / "x.h5")
    ran = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "x.h5", "refuse"],
        env={**os.environ, "MARKER": str(tmp_path / "marker")},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert ran.stdout.startswith("RefusedError: ")
    assert ran.stdout.endswith("marker False\n")


def test_allow_runs_it(tmp_path, marker):
    make, _ = hostile.FILES["object row"]
    make(tmp_path / "x.h5")
    tl.load(tmp_path / "x.h5", pickle="allow")
    assert marker.exists()


def test_allow_still_reads_no_other_file(tmp_path):
    for name in ("external link", "virtual", "external storage"):
        make, _ = hostile.FILES[name]
        make(tmp_path / "x.h5")
        with pytest.raises(RefusedError, match=r"other|another"):
            tl.load(tmp_path / "x.h5", pickle="allow")


def test_restricted_allows_arrays_and_no_more(tmp_path):
    inner = np.array([1, "a", None], object)
    hostile.object_row(tmp_path / "x.h5", data=pickle.dumps(inner, 2))
    assert tl.load(tmp_path / "x.h5", "/row", pickle="restricted").tolist() == [1, "a", None]
    with pytest.raises(RefusedError, match="_reconstruct"):
        tl.load(tmp_path / "x.h5", "/row")


@pytest.mark.parametrize("data", [b"N.", b"I5\n.", b"(lp0\n."])
def test_pickles_that_are_only_values_are_read(tmp_path, data):
    hostile.object_row(tmp_path / "x.h5", data=data)
    assert tl.load(tmp_path / "x.h5", "/row") == pickle.loads(data)


def test_bytes_that_only_end_as_a_pickle_does_stay_bytes(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        hostile.mark(file, "text", b"hello.")
    assert tl.load(tmp_path / "x.h5", "/text") == b"hello."


def test_a_limit_counts_all_that_is_read(tmp_path):
    tl.save(tmp_path / "x.h5", [np.zeros(1000), np.zeros(1000)], None)
    assert len(tl.load(tmp_path / "x.h5", max_bytes=16_000)) == 2
    with pytest.raises(RefusedError, match=r"announces 7\.812 KB"):
        tl.load(tmp_path / "x.h5", max_bytes=15_999)


def test_what_is_no_hdf5_file(tmp_path):
    for content, reason in ((b"", "it is empty"), (b"text" * 500, "is not an HDF5 file")):
        (tmp_path / "x.h5").write_bytes(content)
        with pytest.raises(Hdf5Error, match=reason):
            tl.load(tmp_path / "x.h5")
    with pytest.raises(FileNotFoundError):
        tl.load(tmp_path / "none.h5")
    with pytest.raises(tl.errors.NotFoundError, match="folder"):
        tl.load(tmp_path)


def values_of(path):
    """All that `fromhdf5` reads of a file, array by array; an error where it reads nothing."""
    with path.open("rb") as stream:
        names = formats_hdf5.datasets(stream)
    for name in names:
        read = tl.images.fromhdf5 if name.startswith("/group") else tl.series.fromhdf5
        try:
            yield name, read(path, name).toarray()
        except tl.ThunderlikeError as error:
            yield name, error


@pytest.mark.parametrize("name", hostile.FILES | hostile.HARMLESS)
def test_fromhdf5_and_info_run_nothing_and_read_nothing_else(tmp_path, marker, name, capsys):
    make, _ = (hostile.FILES | hostile.HARMLESS)[name]
    make(tmp_path / "x.h5")
    read = dict(values_of(tmp_path / "x.h5"))
    assert read["/group/array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    for value in read.values():
        assert "\n" not in str(value) or isinstance(value, np.ndarray)
        assert b"secret" not in np.asarray(value).tobytes()
    for words in ([], ["--dataset", "/group/array"], ["--dataset", "/group/raw"]):
        code = main(["info", str(tmp_path / "x.h5"), *words])
        out, err = capsys.readouterr()
        assert code == 0 or (not out and len(err.splitlines()) == 1)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["virtual", "external storage"])
def test_fromhdf5_refuses_values_of_other_files(tmp_path, name):
    make, node = hostile.FILES[name]
    make(tmp_path / "x.h5")
    with pytest.raises(RefusedError, match=rf"x\.h5: {node}: .*other"):
        tl.images.fromhdf5(tmp_path / "x.h5", node, axis=None)
