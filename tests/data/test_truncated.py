"""Files on a disk that another program cuts short in place: an error, and no signal from a map."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import thunderlike as tl

_READER = """
import sys
import numpy as np
import thunderlike as tl
from thunderlike.storage.local import LocalVersion

ARRAY = np.arange(600 * 64 * 64, dtype="u2").reshape(600, 64, 64)
READ = {
    "npy": lambda path: tl.images.fromnpy(path),
    "fortran": lambda path: tl.images.fromnpy(path, axis=0),
    "axis": lambda path: tl.images.fromnpy(path, axis=2),
    "series": lambda path: tl.series.fromnpy(path, axis=0),
    "raw": lambda path: tl.images.frombinary(path, (64, 64), "uint16", nplanes=1),
}
readv = LocalVersion.readv
def use(case, path):
    if case == "raw":
        ARRAY.tofile(path)
    else:
        np.save(path, np.asfortranarray(ARRAY) if case == "fortran" else ARRAY)
    read, left = READ[case], [2]
    found = read(path)
    def cut(self, parts, start):
        left[0] -= 1
        if left[0] == 0:
            open(path, "wb").close()
        return readv(self, parts, start)
    LocalVersion.readv = cut
    for call in (
        lambda: read(path).toarray(), lambda: found.toarray(), lambda: np.asarray(found),
        lambda: found.map(np.sum).toarray(), lambda: found.mean().toarray(), lambda: found + 1,
        lambda: found[3:5].toarray(), lambda: found[[1, 7, 590 % len(found)]].toarray(),
        lambda: found.values[0].sum(), lambda: found._repr_html_(),
    ):
        try:
            call()
        except tl.ThunderlikeError as error:
            assert "replaced while" in str(error) or "truncated" in str(error), error
            print(case, type(error).__name__)
    LocalVersion.readv = readv
for case in READ:
    use(case, f"{sys.argv[1]}/{case}.npy")
print("alive")
"""


def test_a_file_that_is_cut_short_ends_no_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _READER, str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("alive\n")
    errors = Counter(line.split()[0] for line in done.stdout.splitlines() if "Error" in line)
    assert set(errors) == {"npy", "raw", "fortran", "axis", "series"}
    assert errors["npy"] == errors["raw"] == 10  # nothing was read before


@pytest.mark.parametrize("name", ["npy", "raw"])
def test_a_file_that_was_cut_short_since_it_was_listed(tmp_path, engine, name):
    path = tmp_path / "a.npy"
    array = np.arange(40 * 64 * 64, dtype="u2").reshape(40, 64, 64)
    if name == "npy":
        np.save(path, array)
        found = tl.images.fromnpy(path, engine=engine)
    else:
        array.tofile(path)
        found = tl.images.frombinary(path, (64, 64), "uint16", nplanes=1, engine=engine)
    with path.open("r+b") as file:
        file.truncate(5000)
    for use in (
        found.toarray,
        lambda: found.map(np.sum).toarray(),
        lambda: found.toseries().mean(),
    ):
        with pytest.raises(tl.ThunderlikeError, match=r"was replaced while it was read|truncated"):
            np.asarray(use())


def test_records_of_a_file_are_read_as_they_are_needed(tmp_path):
    array = np.arange(50 * 8 * 8, dtype="u2").reshape(50, 8, 8)
    np.save(tmp_path / "a.npy", array)
    found = tl.images.fromnpy(tmp_path / "a.npy")
    rows = [7, 3, 3, 49, 0]
    np.testing.assert_array_equal(found[rows].toarray(), array[rows])
    np.testing.assert_array_equal(found[10:20][2:4].toarray(), array[12:14])
    np.testing.assert_array_equal((found + found[::-1]).toarray(), array + array[::-1])
    np.testing.assert_array_equal(found.toseries().toarray(), array.transpose(1, 2, 0))
    assert isinstance(found.values, np.ndarray)
    found.cache()
    np.save(tmp_path / "a.npy", array + 1)
    np.testing.assert_array_equal(found.toarray(), array)
    found.uncache()
    with pytest.raises(tl.errors.StorageError, match="was replaced"):
        found.toarray()
