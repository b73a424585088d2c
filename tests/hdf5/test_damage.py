"""A damaged file raises an error or has the same data; FLIPS=2000 is the long version."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import FormatError

SCRIPT = Path(__file__).parent / "damage.py"
FLIPS = int(os.environ.get("FLIPS", "30"))


def sample(path, **options):
    """All kinds of nodes, and arrays that fill most of the file."""
    rng = np.random.default_rng(0)
    tl.save(
        path,
        {
            "numbers": rng.normal(size=(60, 60)),
            "packed": np.arange(40_000),
            "texts": np.array(["a", "bcd"] * 200),
            "truths": rng.random(500) > 0.5,
            "empty": np.zeros((0, 3)),
            "inner": {"list": [1, "two", None, {"x": 1.5}], "tuple": (b"b", 2**70)},
            "record": np.array([(1, 2.5)] * 50, [("a", int), ("b", float)]),
        },
        **options,
    )
    return path


def damaged(path, how, count):
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", SCRIPT, path, how, str(count), "0"],
        capture_output=True,
        text=True,
        timeout=300 + count,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return dict(pair.split("=") for pair in ran.stdout.split())


def test_a_file_cut_short_is_an_error(tmp_path):
    path = sample(tmp_path / "x.h5", compression=None)
    seen = damaged(path, "truncate", 1000 if FLIPS > 1000 else 12)
    assert set(seen) == {"error"}


@pytest.mark.parametrize("checksum", [False, True])
def test_a_turned_byte_is_an_error_or_changes_a_value(tmp_path, checksum):
    path = sample(tmp_path / "x.h5", checksum=checksum)
    seen = damaged(path, "flip", FLIPS)
    assert set(seen) <= {"error", "equal", "different"}
    assert int(seen["error"]) > 0


def test_a_checksum_finds_every_turned_byte_of_an_array(tmp_path):
    values = np.random.default_rng(0).random(5000)
    tl.save(tmp_path / "x.h5", {"x": values}, None, checksum=True)
    data = (tmp_path / "x.h5").read_bytes()
    start = data.index(values.tobytes()[:64])
    for place in range(start, start + values.nbytes, 1999):
        turned = bytearray(data)
        turned[place] ^= 4
        (tmp_path / "y.h5").write_bytes(turned)
        with pytest.raises(tl.errors.Hdf5Error, match=r"y\.h5: /x: "):
            tl.load(tmp_path / "y.h5")


def test_a_chunk_that_unpacks_to_more_than_it_holds(tmp_path):
    """A megabyte of zlib may become a gigabyte; HDF5 itself would make room for all of it."""
    bomb = zlib.compress(bytes(2**28), 9)
    for checksum in (False, True):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            node = file.create_dataset(
                "x", (4, 1000), "f8", chunks=(1, 1000), compression="gzip", fletcher32=checksum
            )
            node.id.write_direct_chunk((2, 0), bomb)
            node[0] = 1
        for read in (
            lambda: tl.load(tmp_path / "x.h5"),
            lambda: tl.load(tmp_path / "x.h5", "/x", sel=slice(1, 3)),
            lambda: tl.images.fromhdf5(tmp_path / "x.h5", axis=None),
        ):
            with pytest.raises(FormatError, match=r"unpacks to more than|has 8001 bytes"):
                read()
        if not checksum:
            assert tl.load(tmp_path / "x.h5", "/x", sel=0).tolist() == [1] * 1000


def test_a_file_cut_short_is_not_taken_for_a_locked_one(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000.0)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FormatError, match=r"a\.h5: is a damaged HDF5 file: .*truncated"):
        tl.load(path)
