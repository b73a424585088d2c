"""Keys of buckets are in no repr, traceback, log, file or task that has no need of them."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike._text import without_secrets
from thunderlike.cli import main
from thunderlike.storage import fsspec as cloud

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
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in trace.stack if frame.filename.startswith(OURS)]
    assert frames
    return "".join(str(frame.locals) for frame in frames) + "".join(trace.format_exception_only())


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


@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        pytest.param(["info", "--debug"], marks=pytest.mark.slow),
        ["convert", "--debug", "OUT"],
    ],
)
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


def everything_of(error):
    """The text, repr and attributes of an error, of its causes and contexts, and the traceback."""
    waiting, texts = [error], traceback.format_exception(error)
    while waiting:
        if (one := waiting.pop()) is not None:
            texts += [str(one), repr(one), repr(vars(one))]
            waiting += [one.__cause__, one.__context__]
    return "".join(texts)


@pytest.fixture
def web():
    """A web whose errors name the whole address, as those of the libraries do."""
    fsspec = pytest.importorskip("fsspec")
    from fsspec.registry import _registry

    class Web(fsspec.AbstractFileSystem):
        protocol = "https"
        raised = {"404": FileNotFoundError, "403": PermissionError, "500": RuntimeError}  # noqa: RUF012

        def info(self, path, **_):
            if "/ok" in path:
                return {"name": path, "size": 8, "type": "file", "ETag": "1"}
            raise self.raised[path.split("/")[3][:3]](f"at {path}")

        def cat_file(self, path, start=None, end=None, **_):
            self.info(path)
            return b"junkjunk"[start:end]

        def find(self, path, *_args, **_options):
            self.info(path)
            return {}

        pipe_file = put_file = cp_file = rm_file = find

    before = _registry.get("https")
    fsspec.register_implementation("https", Web, clobber=True)
    cloud._system.cache_clear()
    yield
    cloud._system.cache_clear()
    _registry.pop("https")
    if before is not None:
        fsspec.register_implementation("https", before, clobber=True)


def verbs(address):
    """Every verb that takes an address."""
    images = tl.images.fromarray(np.ones((2, 3, 4), "u1"))
    series = images.toseries()
    for room in (tl.images, tl.series):
        for name in ("tif", "png", "npy", "hdf5", "zarr", "binary", "msgpack", "nwb", "text"):
            if hasattr(room, f"from{name}"):
                yield name, lambda room=room, name=name: getattr(room, f"from{name}")(address)
    for thing in (images, series):
        for name in ("binary", "hdf5", "msgpack", "npy", "png", "tif", "zarr", "text"):
            if hasattr(thing, f"to{name}"):
                yield name, lambda one=thing, name=name: getattr(one, f"to{name}")(address)
    yield "movie", lambda: images.movie(address)
    yield "load", lambda: tl.load(address)
    yield "save", lambda: tl.save(address, {"a": 1})
    yield "hdf5.ls", lambda: tl.hdf5.ls(address)
    for name in ("read", "exists", "stat", "delete", "find", "store_for"):
        yield name, lambda name=name: getattr(storage, name)(address) and None
    yield "write", lambda: storage.write(address, b"1")
    yield "read_range", lambda: storage.read_range(address, 0, 3)
    for reader in (
        "MsgpackReader",
        "DirectoryReader",
        "TarReader",
        "ZipFileReader",
        "ShardedReader",
    ):
        yield reader, lambda reader=reader: getattr(tl.datasets, reader)(address)
    yield "arrays", lambda: tl.arrays.read(address)
    for fmt in ("npz", "csv", "hdf5", "zarr", "msgpack"):
        yield "batches", lambda fmt=fmt: tl.batches.Batch(range(2)).load(address, fmt=fmt)
    for words in ("info", "ls", "datasets info", "datasets cat", "datasets verify"):
        yield words, lambda words=words: main([*words.split(), address]) and None


def leaks(address):
    """Verbs that show the secret in an address: in a repr, an error, a warning, log or line."""
    log = logging.StreamHandler(logged := io.StringIO())
    logger = logging.getLogger("thunderlike")
    logger.addHandler(log)
    try:
        for name, call in verbs(address):
            out, text = io.StringIO(), ""
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
                warnings.catch_warnings(record=True) as caught,
            ):
                warnings.simplefilter("always")
                try:
                    text = repr(call())
                except tl.ThunderlikeError as error:
                    text = everything_of(error)
            text += out.getvalue() + logged.getvalue() + "".join(str(one.message) for one in caught)
            if SECRET in text:
                yield name
    finally:
        logger.removeHandler(log)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("answer", ["404", "403", "500", "ok"])
def test_no_verb_shows_the_query_of_an_address(answer):
    for name in ("x", "x.tif", "x.h5", "x.msgpack"):
        assert list(leaks(f"https://host/{answer}{name}?sig={SECRET}&x=1")) == []


@pytest.mark.parametrize(
    "address",
    [
        f"s3://user:{SECRET}@bucket/x.tif",
        f"s3://{SECRET}@bucket",
        f"S3://user:{SECRET}/x@bucket/y",
        f"gs://u:{SECRET}@b/x",
        f"https://u:{SECRET}@host/x.tif",
    ],
)
def test_no_verb_shows_a_password_in_an_address(address):
    assert list(leaks(address)) == []


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/what?=x.tif: no such file",
        "https://host:8080/a@b: no such file",
        "az://container@account/x",
        "gs://bucket/frame?.tif",
        "a?b=c d@e",
    ],
)
def test_addresses_without_a_secret_stay(text):
    assert without_secrets(text) == text


def test_an_error_keeps_no_secret_when_it_travels():
    error = tl.errors.NotFoundError(f"https://host/x?sig={SECRET}: no such file")
    assert str(error) == "https://host/x?...: no such file"
    assert SECRET.encode() not in pickle.dumps(error)
