"""A server of buckets behind a proxy that misbehaves: the right result, or an error of ours.

Each fault is given to every request that it can be given to, while every verb is tried.
"""

from __future__ import annotations

import logging
import os
import tempfile
import traceback
from pathlib import Path

import pytest
from bucket_server import FAULTS, no_key_count

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import ConfigError, DeniedError, NotFoundError, SpecError, StorageError
from thunderlike.storage import _s3_responses
from thunderlike.storage import s3 as module
from thunderlike.storage._open import open_file

DATA = bytes(range(256)) * 200


def sent(path, size):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        file.write_bytes(bytes(size))
        storage.store_for(path).send(storage.at(path), file)


def moved(path):
    with storage.output(storage.join(path, "out"), ["*"]) as folder:
        storage.write(storage.join(folder, "a"), b"1")


def two_ranges(path):
    with storage.open(storage.join(path, "x")) as file:
        return file.read_range(0, 3) + file.read_range(3, 3)


def streamed(path):
    with open_file(storage.join(path, "x")) as file:
        file.seek(-3, os.SEEK_END)
        return file.read()


VERBS = {
    "read": (lambda path: storage.read(storage.join(path, "x")), DATA),
    "read_range": (lambda path: storage.read_range(storage.join(path, "x"), 7, 9), DATA[7:16]),
    "past the end": (lambda path: storage.read_range(storage.join(path, "x"), 10**6, 9), b""),
    "two ranges": (two_ranges, DATA[:6]),
    "a stream": (streamed, DATA[-3:]),
    "stat": (lambda path: storage.stat(storage.join(path, "x")).size, len(DATA)),
    "list": (
        lambda path: [e.size for e in storage.store_for(path).list(path, recursive=True)],
        [len(DATA)],
    ),
    "find": (lambda path: [one.size for one in storage.find(path)], [len(DATA)]),
    "exists": (lambda path: storage.exists(storage.join(path, "x")), True),
    "write": (lambda path: storage.write(storage.join(path, "y"), b"1"), None),
    "write parts": (lambda path: storage.write(storage.join(path, "y"), bytes(6 * 2**20)), None),
    "send": (lambda path: sent(storage.join(path, "y"), 6 * 2**20), None),
    "delete": (lambda path: storage.delete(storage.join(path, "x")), None),
    "output": (moved, None),
}


@pytest.fixture
def behind(bucket, faulty, monkeypatch):
    """The address of a folder with one file, behind the proxy, and the proxy."""
    storage.write(f"{bucket}/folder/x", DATA)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(module, "PART", 5 * 2**20)
    path = storage.at(
        f"{bucket}/folder", {"access": "a", "secret": "s", "endpoint_url": faulty.url}
    )
    return path, faulty


LISTINGS = {"no KeyCount", "no IsTruncated", "a listing without an end"}
RANGES = {"the whole instead of a range", "another range", "no Content-Range"}
READING = {"read", "read_range", "past the end", "two ranges", "a stream", "stat"}


def faults_of(verb):
    """Name the faults that the requests of a verb can be given."""
    if verb in READING:
        return set(FAULTS) - LISTINGS
    if verb in ("write parts", "send"):  # 6 MB each time
        return {"no ETag", "a page", "a page that is XML", "nothing", "403", "no bucket", "closed"}
    return set(FAULTS) - RANGES


@pytest.mark.parametrize("verb", VERBS)
def test_the_right_result_or_an_error_of_ours(behind, verb, bucket):
    path, proxy = behind
    call, expected = VERBS[verb]
    for name in sorted(faults_of(verb)):
        proxy.rule = None
        if verb == "delete":
            storage.write(f"{bucket}/folder/x", DATA)
        if verb == "output":
            storage.delete(f"{bucket}/folder/out")
        proxy.rule = FAULTS[name]
        try:
            found = call(path)
        except StorageError as error:
            assert str(error).startswith("s3://")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:
            missing = verb == "exists" and name in ("404", "no bucket")
            assert found == (not missing if verb == "exists" else expected), name


SENTENCES = [
    ("no ETag", "read", StorageError, "it has no ETag"),
    ("no ETag", "write", StorageError, "it has no ETag"),
    ("a page", "list", StorageError, "it is an HTML page"),
    ("a page", "write", StorageError, "it is an HTML page"),
    ("a page that is XML", "delete", StorageError, "it is an HTML page"),
    ("the whole instead of a range", "read_range", StorageError, "the server ignores Range"),
    ("no Content-Range", "read_range", StorageError, "no Content-Range"),
    ("another range", "read_range", StorageError, "'bytes 1-2/77'"),
    ("chunked", "read", StorageError, "no Content-Length"),
    ("no IsTruncated", "list", StorageError, "it has no IsTruncated"),
    ("a listing without an end", "list", StorageError, "does not end"),
    ("403", "send", DeniedError, "do not allow to write it"),
    ("403", "write parts", DeniedError, "do not allow to write it"),
    ("no bucket", "send", NotFoundError, "the bucket does not exist"),
    ("503", "send", StorageError, "too busy to write it"),
    ("closed", "send", StorageError, "no answer from 127.0.0.1"),
]


@pytest.mark.parametrize(("fault", "verb", "kind", "sentence"), SENTENCES)
def test_the_error_says_what_was_wrong_with_the_answer(behind, fault, verb, kind, sentence):
    path, proxy = behind
    proxy.rule = FAULTS[fault]
    with pytest.raises(StorageError, match=sentence) as caught:
        VERBS[verb][0](path)
    assert type(caught.value) is kind


def test_a_listing_without_a_count_is_a_listing(behind):
    path, proxy = behind
    proxy.rule = no_key_count
    assert [one.path for one in storage.find(path)] == [storage.join(path, "x")]
    with pytest.raises(NotFoundError):
        storage.find(storage.join(path, "none"))


def test_ranges_are_asked_for_by_the_version_that_was_opened(behind, bucket):
    path, proxy = behind
    with storage.open(storage.join(path, "x")) as file:
        assert file.read_range(0, 3) == DATA[:3]
        proxy.asked.clear()
        assert file.read_range(3, 3) == DATA[3:6]
        assert [one.headers["if-match"] for one in proxy.asked] == [file.identity]
        storage.write(f"{bucket}/folder/x", DATA[::-1])
        with pytest.raises(StorageError, match="was replaced while it was read"):
            file.read_range(3, 3)


def test_a_large_object_that_is_replaced_before_its_parts_come_is_never_a_mixture(behind, bucket):
    path, proxy = behind
    large = bytes(11 * 2**20)
    storage.write(f"{bucket}/folder/x", large)
    seen = []

    def swap(request, forward):
        if not request.is_object:
            return None
        answer = forward()
        seen.append(request)
        if len(seen) == 1:
            storage.write(f"{bucket}/folder/x", b"\1" * len(large))
        return answer

    proxy.rule = swap
    with pytest.raises(StorageError, match="was replaced while it was read"):
        storage.read(storage.join(path, "x"))


def test_a_file_is_sent_in_parts_and_not_read_into_memory(behind, tmp_path, monkeypatch):
    path, proxy = behind
    (tmp_path / "file").write_bytes(bytes(11 * 2**20))
    monkeypatch.setattr(Path, "read_bytes", None)
    storage.store_for(path).send(storage.join(path, "y"), tmp_path / "file")
    puts = [one for one in proxy.asked if one.method == "PUT" and "partNumber" in one.path]
    assert len(puts) == 3


def test_a_silent_server_is_asked_three_times(behind, monkeypatch):
    path, proxy = behind
    assert _s3_responses.PATIENCE * _s3_responses.SILENCES < 60
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "6")
    module._clients.clear()
    proxy.rule = lambda request, forward: "wait"
    for call in (storage.read, storage.stat):
        proxy.asked.clear()
        with pytest.raises(StorageError, match=r"no answer from 127\.0\.0\.1"):
            call(storage.join(path, "x"))
        assert len(proxy.asked) == _s3_responses.SILENCES
        module._silent_until.clear()
    module._clients.clear()


@pytest.mark.parametrize("first", [0, 3, 8])
def test_a_writer_gives_a_silent_server_up_once(behind, monkeypatch, first):
    """Removing what it had written does not wait once more for as long."""
    path, proxy = behind
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "6")
    module._clients.clear()
    asked = []

    def rule(request, forward):
        asked.append(request.path)
        return "wait" if len(asked) > first else None

    proxy.rule = rule
    images = tl.images.fromrandom((3, 4, 5))
    with pytest.raises(StorageError, match=r"no answer from 127\.0\.0\.1"):
        images.totif(storage.join(path, "tif"))
    assert 1 <= len(asked) - first <= _s3_responses.SILENCES
    with pytest.raises(StorageError, match="the server was silent a moment ago"):
        storage.read(path)
    module._silent_until.clear()
    module._clients.clear()


def test_a_failed_writer_leaves_nothing_in_the_temporary_folder(behind, tmp_path, monkeypatch):
    path, proxy = behind
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    proxy.rule = FAULTS["403"]
    images = tl.images.fromrandom((3, 4, 5))
    for write in (
        lambda: tl.save(storage.join(path, "new.h5"), {"a": 1}),
        lambda: images.tohdf5(storage.join(path, "new.h5")),
        lambda: images.tonpy(storage.join(path, "new.npy")),
    ):
        with pytest.raises(DeniedError):
            write()
    assert list(tmp_path.iterdir()) == []


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9000",
        "htp://localhost",
        "http://",
        "http:/localhost",
        "http://local host",
        "http://localhost:port",
        "http://localhost:99999",
        "http://localhost:0",
        "https:localhost",
        "http://[::1",
    ],
)
def test_an_endpoint_that_is_no_address_is_a_config_error(url, monkeypatch):
    with pytest.raises(ConfigError, match="endpoint_url"):
        storage.at("s3://bucket/key", {"endpoint_url": url})
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    with pytest.raises(ConfigError, match="endpoint_url"):
        storage.read("s3://bucket/key")


@pytest.mark.parametrize("url", ["http://[::1]:9000", "https://s3.lab_1.example", "http://h:9/x"])
def test_an_endpoint_that_is_an_address(url):
    assert storage.store_for("s3://bucket", {"endpoint_url": url}).endpoint_url == url


def test_a_token_alone_is_a_config_error():
    with pytest.raises(ConfigError, match="'token' goes with the 'access' and 'secret'"):
        storage.at("s3://bucket/key", {"token": "t"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "-1"),
        ("AWS_RETRY_MODE", "often"),
    ],
)
def test_a_variable_of_boto3_that_makes_no_sense_is_a_config_error(
    bucket, monkeypatch, name, value
):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name} .*{value}"):
        storage.read(f"{bucket}/key")


SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    "address",
    [
        f"s3://AKIA:{SECRET}@bucket/key",
        f"s3://AKIA:{SECRET}/more@bucket/key",
        f"s3://{SECRET}@bucket/key",
        f"https://me:{SECRET}@host/file",
        f"https://me:{SECRET}/x@host/file",
        f"gs://me:{SECRET}@bucket/key",
        f"az://me:{SECRET}@container/key",
        f"hdfs://me:{SECRET}@cluster/data",
        f"ftp://{SECRET}@host/data",
    ],
)
def test_a_password_in_an_address_is_refused_and_shown_nowhere(address, caplog):
    caplog.set_level(logging.DEBUG)
    for call in (
        storage.read,
        storage.find,
        tl.load,
        tl.images.fromtif,
        lambda path: tl.images.fromrandom((2, 3, 4)).totif(path),
        lambda path: tl.save(path, {"a": 1}),
        tl.datasets.MsgpackReader,
    ):
        with pytest.raises(SpecError, match="holds a name or password") as caught:
            call(address)
        assert SECRET not in "".join(
            str(one) for one in traceback.TracebackException.from_exception(caught.value).format()
        ).replace(repr(address), "")
    assert SECRET not in caplog.text


def test_a_password_in_the_setting_of_the_endpoint_is_refused_and_not_shown(monkeypatch):
    for url in (f"http://me:{SECRET}@host", f"htp://me:{SECRET}@host"):
        with pytest.raises(ConfigError, match="holds a name or password") as caught:
            tl.config(endpoint_url=url).__enter__()
        assert SECRET not in str(caught.value)
        monkeypatch.setenv("THUNDERLIKE_ENDPOINT_URL", url)
        with pytest.raises(ConfigError, match="holds a name or password") as caught:
            storage.read("s3://bucket/key")
        assert SECRET not in str(caught.value)
        monkeypatch.delenv("THUNDERLIKE_ENDPOINT_URL")


def test_addresses_with_a_port_or_a_container_are_addresses():
    for address in ("https://host:8000/file", "https://[::1]:80/x", "az://container@account/x"):
        assert str(storage.at(address)).startswith(address[:12])
