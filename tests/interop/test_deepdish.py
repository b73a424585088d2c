"""deepdish 0.3.7 and we read each other's files.

What it wrote stands in `deepdish_files`. The other way needs it installed: see deepdish_env.py.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import thunderlike as tl

HERE = Path(__file__).parent
FILES = HERE / "deepdish_files"
PYTHON = os.environ.get("DEEPDISH_PYTHON")

SPEC = importlib.util.spec_from_file_location("deepdish_peer", HERE / "deepdish_peer.py")
peer = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(peer)

NAMES = sorted(path.name.partition(".")[0] for path in FILES.glob("*.h5.gz"))
pytest.importorskip("pandas")


@pytest.fixture
def file(tmp_path):
    """One of deepdish's files, unpacked."""

    def unpacked(name):
        path = tmp_path / f"{name}.h5"
        path.write_bytes(gzip.decompress((FILES / f"{name}.h5.gz").read_bytes()))
        return path

    return unpacked


@pytest.fixture
def loaded(file):
    def load(name):
        return tl.load(file(name), pickle="allow" if name == "pickled" else "refuse")

    return load


def test_there_is_a_file_of_each_kind():
    assert set(NAMES) == {*peer.values(), "compressed"}


@pytest.mark.parametrize("name", sorted(peer.values().keys() - {"cycle"}))
def test_we_read_what_deepdish_wrote(loaded, name):
    assert peer.described(loaded(name)) == peer.described(peer.values()[name])


def test_dtypes_are_those_that_were_saved(loaded):
    found = loaded("arrays")
    wanted = peer.values()["arrays"]
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype.newbyteorder("="), name


def test_single_values_are_numpys_as_in_deepdish(loaded):
    found = loaded("scalars")
    kinds = {
        "int": np.int64,
        "uint": np.uint64,
        "true": np.bool_,
        "text": np.str_,
        "bytes": np.bytes_,
    }
    for name, kind in kinds.items():
        assert type(found[name]) is kind


def test_links_are_shared_and_cycles_close(loaded):
    found = loaded("containers")
    assert found["one"] is found["two"]
    found = loaded("cycle")
    assert found["self"] is found
    assert found["inner"][2] is found["inner"]


def test_every_compression_of_deepdish_is_read(file):
    found = tl.load(file("compressed"), pickle="allow")
    assert found.pop("forced") == [1, "two"]
    for name, array in found.items():
        assert (array == np.arange(1000)).all(), name


def test_what_deepdish_pickled_is_refused_and_restricted_reads_the_arrays(file):
    path = file("pickled")
    with pytest.raises(tl.errors.RefusedError):
        tl.load(path)
    for name in ("huge", "complex", "objects", "range", "texts"):
        assert tl.load(path, f"/{name}", pickle="restricted") is not None


@pytest.mark.parametrize("name", NAMES)
def test_ls_shows_every_file(file, name):
    assert len(str(tl.hdf5.ls(file(name))).splitlines()) >= 1


def read_by_deepdish(path):
    ran = subprocess.run(
        [PYTHON, HERE / "deepdish_peer.py", "read", path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


needs_deepdish = pytest.mark.skipif(PYTHON is None, reason="DEEPDISH_PYTHON names no Python")


@needs_deepdish
@pytest.mark.parametrize("name", sorted(peer.values().keys() - {"pickled"}))
def test_deepdish_reads_what_we_write(tmp_path, name):
    value = peer.values()[name]
    if name == "pandas":  # others it reads as dictionaries of their columns
        value = {key: value[key] for key in ("frame", "times", "series", "plain")}
    tl.save(tmp_path / "x.h5", value)
    assert read_by_deepdish(tmp_path / "x.h5") == peer.described(value)


@needs_deepdish
def test_deepdish_reads_what_only_we_keep_the_type_of(tmp_path):
    """As the nearest of its own types."""
    ours = {
        "huge": 2**70, "set": {1}, "text\0": "a\0", 5: "five", "many": list(range(1000)),
        "mixed": [1, "x"] * 300, "time": np.array(["2020"], "M8[s]"), "path": Path("a/b"),
        "objects": np.array([1, "a"], object), "space": SimpleNamespace(TITLE=1),
    }  # fmt: skip
    tl.save(tmp_path / "x.h5", ours)
    found = read_by_deepdish(tmp_path / "x.h5")["dict"]
    assert found["%5"] == {"scalar": "U", "value": "five"}
    assert found["many"]["shape"] == [1000]
    assert len(found["mixed"]["list"]) == 600
    assert found["huge"]["value"] == hex(2**70)
    assert found["path"]["value"] == "a/b"
    assert found["objects"]["list"][1]["value"] == "a"


@needs_deepdish
@pytest.mark.parametrize("compression", ["zlib", "blosc", ("bzip2", 9), None])
def test_deepdish_reads_our_compressions(tmp_path, compression):
    x = np.arange(1000)
    tl.save(tmp_path / "x.h5", {"x": x}, compression)
    assert read_by_deepdish(tmp_path / "x.h5") == peer.described({"x": x})
