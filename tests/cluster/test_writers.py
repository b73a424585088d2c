"""Tasks die in the middle of a write, run twice at once, lose their driver or their disk."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl

pytestmark = [pytest.mark.spark]

READERS = {
    "tif": lambda out: tl.images.fromtif(out),
    "png": lambda out: tl.images.frompng(out),
    "binary": lambda out: tl.images.frombinary(out),
    "npy": lambda out: tl.images.fromnpy(f"{out}.npy"),
    "hdf5": lambda out: tl.images.fromhdf5(f"{out}.h5"),
    "zarr": lambda out: tl.images.fromzarr(f"{out}.zarr"),
    "msgpack": lambda out: tl.images.frommsgpack(out),
    "series binary": lambda out: tl.series.frombinary(out).toimages(),
    "series text": lambda out: tl.series.fromtext(out, shape=shape_of(out)).toimages(),
}
ALWAYS = ("tif", "msgpack", "hdf5")


def shape_of(out):
    import json

    return json.loads((out / "conf.json").read_text())["shape"]


@pytest.fixture(scope="module")
def expected(recording):
    return tl.images.fromtif(recording).toarray()


def check(out, to, expected):
    """Assert that the result is equal and that no other file is next to it or hidden in it."""
    np.testing.assert_array_equal(READERS[to](out).toarray(), expected)
    assert left(out) == []


def left(out):
    """Return the hidden files in a folder of results or next to it."""
    return sorted(str(path.relative_to(out.parent)) for path in out.parent.rglob(".*"))


@pytest.mark.parametrize(
    "to", [pytest.param(to, marks=[pytest.mark.cluster] * (to not in ALWAYS)) for to in READERS]
)
def test_a_task_is_tried_again_after_a_partial_write(
    driver, fault, recording, expected, tmp_path, to
):
    with fault("task dies in a write, tried again", to):
        after = 1 if "series" in to else 3  # of which each task writes one file
        options = {"fate": "dying", "marker": tmp_path / "died", "after": after}
        (tmp_path / "a").mkdir()
        driver.ask("write", recording=recording, out=tmp_path / "a/out", to=to, **options)
        assert (tmp_path / "died").exists()
        check(tmp_path / "a/out", to, expected)


@pytest.mark.cluster
def test_a_slow_task_is_run_twice_and_both_write(cluster, fault, recording, expected, tmp_path):
    driver = cluster.driver(
        spark__speculation="true",
        spark__speculation__interval="100ms",
        spark__speculation__multiplier="1.1",
        spark__speculation__quantile="0.5",
        spark__speculation__minTaskRuntime="100ms",
    )
    total = int(expected[-1].sum())
    for to in ("tif", "msgpack", "series binary", "npy"):
        with fault("a task runs twice at once", to):
            place = tmp_path / to
            (place / "a").mkdir(parents=True)
            options = {"fate": "doubled", "folder": place, "total": total}
            driver.ask("write", recording=recording, out=place / "a/out", to=to, **options)
            assert (place / "second").exists()
            check(place / "a/out", to, expected)
    driver.stop()
    assert left(tmp_path / "tif") == []  # nor came anything later


@pytest.mark.cluster
@pytest.mark.parametrize("to", ["tif", "hdf5", "msgpack"])
def test_a_driver_is_killed_during_a_write(
    cluster, until, fault, recording, expected, tmp_path, to
):
    driver, out = cluster.driver(), tmp_path / "a/out"
    out.parent.mkdir()
    options = {"fate": "slow", "folder": tmp_path, "seconds": 0.2}
    driver.start("write", recording=recording, out=out, to=to, **options)
    until(lambda: any(out.parent.rglob(".*.partial/*")), "a file of a result")
    with fault("driver killed in a write, run again", to):
        driver.kill()
        assert not any(path for path in out.parent.glob("out*"))
        driver = cluster.driver()
        driver.ask("write", recording=recording, out=out, to=to)
        np.testing.assert_array_equal(READERS[to](out).toarray(), expected)


@pytest.mark.cluster
def test_a_driver_is_killed_during_a_conversion_which_goes_on(
    cluster, until, fault, recording, expected, tmp_path
):
    driver, out = cluster.driver(), tmp_path / "a/out"
    out.parent.mkdir()
    driver.start("converted", recording=recording, out=out, folder=tmp_path)
    until((tmp_path / "third").exists, "the third batch")
    with fault("driver killed in a conversion, run again", "third batch"):
        driver.kill()
        assert not out.exists()
        driver = cluster.driver()
        assert driver.ask("converted", recording=recording, out=out) == 2
        check(out, "tif", expected)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of half a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    with contextlib.suppress(OSError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            yield place
            subprocess.run(["umount", "--lazy", str(place)], check=True)
            return
    pytest.skip("no disk can be mounted by this user")


@pytest.mark.cluster
@pytest.mark.parametrize("to", ["tif", "npy", "msgpack", "series binary"])
def test_a_disk_fills(driver, fault, recording, small_disk, to):
    size = sum(path.stat().st_size for path in Path(recording).iterdir())
    assert size > 2**18
    with fault("disk full, on a worker", to):
        (small_disk / "rest").write_bytes(bytes(2**19 - 2**18))
        found = driver.fail("write", recording=recording, out=small_disk / "out", to=to)
        assert found[0] == "StorageError"
        assert "the disk is full" in found[1]
        assert str(small_disk / "out") in found[1]
        assert [path.name for path in small_disk.iterdir()] == ["rest"]


@pytest.mark.cluster
def test_a_file_may_not_grow(cluster, fault, recording, tmp_path):
    driver = cluster.driver()
    options = {"fate": "limited", "size": 1000}
    with fault("files may not grow, on a worker", "tif"):
        (tmp_path / "a").mkdir()
        found = driver.fail(
            "write", recording=recording, out=tmp_path / "a/out", to="tif", **options
        )
        assert found[0] == "StorageError"
        assert "File too large" in found[1]
        assert list((tmp_path / "a").iterdir()) == []
    driver.stop()  # with the workers that it limited
