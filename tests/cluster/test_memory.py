"""A Spark of this machine with less memory than one would give it for what it caches."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.cluster]

# A gigabyte, in a Spark with the memory that thunderlike gives it: Java used to end here.
CACHED = """
import sys
import thunderlike as tl

context = tl.spark.context("local[2]")
movie = tl.images.frombinary(
    sys.argv[1], shape=(256, 256), nplanes=1, dtype="int16", engine=context
).cache()
for _ in range(3):
    assert movie.sum().toarray().max() == 0
context.stop()
"""


def test_a_cache_of_a_gigabyte_fits(fault, tmp_path):
    with (tmp_path / "movie.bin").open("wb") as file:
        file.truncate(2**30)  # all zeros, of which the disk keeps none
    command = [sys.executable, "-c", CACHED, str(tmp_path / "movie.bin")]
    with fault("a cache of 1 GB", "Spark of 2 GB on one machine"):
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert ran.returncode == 0, ran.stderr
