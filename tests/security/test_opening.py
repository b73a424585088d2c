"""No reader opens a file that its caller did not name; opening.py says what it reads and hears."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "opening.py"


def opened(base, *more):
    """What the script prints: a line for each file that a reader opened unasked, and counts."""
    for folder in ("home", "tmp"):
        (base / folder).mkdir()
    ran = subprocess.run(
        [sys.executable, SCRIPT, base, *more],
        env={**os.environ, "HOME": str(base / "home"), "TMPDIR": str(base / "tmp")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_no_reader_opens_a_file_that_was_not_named(tmp_path):
    *unasked, counts = opened(tmp_path)
    assert unasked == []
    numbers = dict(pair.split("=") for pair in counts.split())
    assert int(numbers["read"]) > 100
    assert int(numbers["refused"]) > 100


def test_what_careless_readers_open_is_heard(tmp_path):
    """By the hook where Python opens it, by the kernel where a C library does."""
    lines = opened(tmp_path, "careless")
    heard = [line.rpartition("/")[2] for line in lines if line.startswith(("tifffile", "h5py"))]
    assert heard == (["secret.tif", "secret.h5"] if sys.platform == "linux" else ["secret.tif"])
