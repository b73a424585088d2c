"""Files that vanish or are cut short once they were listed: an error with their name, and soon."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import thunderlike as tl

pytestmark = [pytest.mark.spark]

ATTEMPTS = 4  # at a task, where nobody sets spark.task.maxFailures


@pytest.fixture
def copy(recording, tmp_path):
    """A recording of one's own."""
    return shutil.copytree(recording, tmp_path / "movie")


def failures(cluster, victim):
    """How many attempts at tasks failed by this file, by the events of all drivers."""
    lines = [line for log in cluster.events.iterdir() for line in log.read_text().splitlines()]
    ends = [json.loads(line) for line in lines if '"SparkListenerTaskEnd"' in line]
    return sum(str(victim) in str(end["Task End Reason"]) for end in ends)


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("remove", "NotFoundError", "no such file"),
        ("cut", "StorageError", "was replaced while it was read"),
    ],
)
def test_a_file_that_changed_since_it_was_listed(
    cluster, driver, fault, until, copy, tmp_path, how, kind, said
):
    victim = copy / "image-00033.tif"
    whole = victim.read_bytes()
    with fault({"remove": "file vanishes", "cut": "file is cut short"}[how], "before it is read"):
        found = driver.fail("read", recording=copy, **{how: victim})
        assert found[0] == kind
        assert found[1].startswith(f"{victim}: ")
        assert said in found[1]
        until(lambda: failures(cluster, victim), "the event of an attempt that failed")
        assert failures(cluster, victim) <= ATTEMPTS
        victim.write_bytes(whole)
        driver.ask("read", recording=copy, out=tmp_path / "found.npy")
        expected = tl.images.fromtif(copy).toarray()
        np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), expected)
