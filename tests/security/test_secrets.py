"""Keys of buckets are in no repr, traceback, log, file or task that has no need of them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage

SECRET = "wJalrXUtnFEMIK7MDENG"
OURS = str(Path(tl.__file__).parent)


@pytest.fixture
def movie(bucket):
    """A movie in a bucket, and what opens it."""
    tl.images.fromarray(np.ones((3, 4, 5), "u1")).totif(f"{bucket}/movie")
    return f"{bucket}/movie"


def given(s3_server):
    return {"access": "testing", "secret": SECRET, "token": SECRET, "endpoint_url": s3_server}


def shown(error):
    """A traceback with the values of all local names in our functions, as some tools print it."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in told.stack if frame.filename.startswith(OURS)]
    assert frames
    return "".join(str(frame.locals) for frame in frames) + "".join(told.format_exception_only())


def test_no_repr_and_no_local_name_shows_a_secret(movie, s3_server):
    keys = storage.Credentials(given(s3_server))  # a plain dict is its owner's to hide
    images = tl.images.fromtif(movie, credentials=keys)
    for thing in (images, images._records, storage.at(movie, keys), storage.find(movie)):
        assert SECRET not in repr(thing)
    for call in (
        lambda: tl.images.fromtif(f"{movie}/none", credentials=keys),
        lambda: tl.images.frompng(movie, credentials=keys),
        lambda: storage.read(storage.at("s3://no-such-bucket-at-all/x", keys)),
        lambda: images.totif(movie, credentials=keys),
        lambda: storage.at(movie, storage.Credentials({**keys, "user": "AK"})),
    ):
        with pytest.raises(tl.ThunderlikeError) as caught:
            call()
        assert SECRET not in shown(caught.value)


@pytest.mark.parametrize("words", [["info"], ["info", "--debug"], ["convert", "--debug", "OUT"]])
def test_the_command_line_shows_none(movie, s3_server, tmp_path, words):
    words = [str(tmp_path / "out.npy") if word == "OUT" else word for word in words]
    secrets = {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": s3_server}
    command = [sys.executable, "-X", "dev", "-m", "thunderlike", words[0], f"{movie}/none"]
    ran = subprocess.run(
        [*command, *words[1:], *(["--to", "npy"] if words[0] == "convert" else [])],
        env={**os.environ, **secrets}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode in (1, 2)
    assert "none" in ran.stderr
    assert SECRET not in ran.stdout + ran.stderr


def test_what_is_written_holds_none(bucket, s3_server):
    images = tl.images.fromarray(np.ones((3, 4, 5), "u1"))
    for name, write in {
        "tif": images.totif, "npy": images.tonpy, "h5": images.tohdf5, "zarr": images.tozarr,
        "msgpack": images.tomsgpack,
    }.items():  # fmt: skip
        write(f"{bucket}/{name}", credentials=given(s3_server))
    found = storage.find(bucket, recursive=True)
    assert len(found) > 10
    assert not any(SECRET.encode() in storage.read(entry.path) for entry in found)


@pytest.mark.spark
def test_a_task_holds_keys_only_where_they_were_given(movie, s3_server, spark_context, monkeypatch):
    from pyspark.cloudpickle import dumps

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    found = tl.images.fromtif(movie, engine=spark_context)
    assert found.shape == (3, 4, 5)
    assert SECRET.encode() not in dumps(found._records.rdd.func)
    assert SECRET.encode() not in pickle.dumps(storage.find(movie))
    theirs = tl.images.fromtif(movie, engine=spark_context, credentials=given(s3_server))
    assert "testing" not in theirs._records.rdd.toDebugString().decode()
    assert SECRET not in repr(theirs._records.rdd)
