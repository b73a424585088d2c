"""Buckets: what is asked of their servers, with which keys, and what goes wrong."""

from __future__ import annotations

import itertools
import os
import pickle
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import thunderlike as tl
from thunderlike.errors import DeniedError, NotFoundError, SpecError, StorageError
from thunderlike.storage import (
    at,
    delete,
    exists,
    find,
    join,
    output,
    parent,
    read,
    read_range,
    resolve,
    stat,
    store_for,
    write,
)
from thunderlike.storage import s3 as module
from thunderlike.storage.base import Entry

SECRET = "wJalrXUtnFEMI"
KEYS = {"access": "testing", "secret": SECRET}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


def failure(call, *args, **options):
    """What a call raises, once it was seen to be one line about the address without a secret."""
    with pytest.raises(StorageError) as caught:
        call(*args, **options)
    text = str(caught.value)
    assert text.startswith(str(args[0]).split("*")[0])
    assert "\n" not in text
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


# Addresses


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
def test_three_spellings_lead_to_one_store(scheme):
    store, address = resolve(f"{scheme}://bucket//a/./b/")
    assert (type(store), address) == (module.S3Store, "s3://bucket/a/b")


def test_a_name_as_odd_as_a_bucket_allows_is_read_as_it_was_listed(bucket, s3_client):
    name = bucket.removeprefix("s3://")
    for key in ("a//b.bin", "./c.bin", "d/../e.bin"):
        s3_client.put_object(Bucket=name, Key=key, Body=key.encode())
    found = [entry.path for entry in store_for(bucket).list(bucket, recursive=True)]
    assert {read(path) for path in found} == {b"a//b.bin", b"./c.bin", b"d/../e.bin"}


def test_objects_that_stand_for_folders_are_no_files(bucket, s3_client):
    s3_client.put_object(Bucket=bucket.removeprefix("s3://"), Key="raw/", Body=b"")
    write(f"{bucket}/raw/a.bin", b"a")
    assert find(f"{bucket}/raw") == [Entry(f"{bucket}/raw/a.bin", 1)]


def test_a_pattern_a_folder_and_a_list_find_the_same(bucket):
    for name in ("day1/a.tif", "day1/b.TIFF", "day2/c.tif", "day2/notes.txt"):
        write(f"{bucket}/{name}", b"")
    tifs = ["day1/a.tif", "day1/b.TIFF", "day2/c.tif"]
    for path in (f"{bucket}/**", f"{bucket}/*/*", [f"{bucket}/{name}" for name in tifs]):
        assert [entry.path for entry in find(path, "tif")] == [f"{bucket}/{t}" for t in tifs]
    assert find(bucket, "tif", recursive=True, stop=2) == find(f"{bucket}/day1", "tif")


def test_more_names_than_one_page_holds(bucket, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    paths = [f"{bucket}/many/{number}" for number in range(7)]
    for path in paths:
        write(path, b"")
    assert [entry.path for entry in find(f"{bucket}/many")] == paths
    delete(f"{bucket}/many")
    assert not exists(f"{bucket}/many")


@pytest.mark.parametrize("place", ["s3://", "s3://somebodys-bucket"])
def test_whole_buckets_are_never_removed_or_replaced(place):
    for call in (delete, lambda path: output(path, ["*"], overwrite=True).__enter__()):
        assert "bucket" in str(failure(call, place)) or place == "s3://"


def test_a_bucket_is_a_folder_that_may_be_empty(bucket):
    assert exists(bucket)
    assert list(store_for(bucket).list(bucket, recursive=True)) == []
    assert isinstance(failure(stat, bucket), NotFoundError)


# Large objects


@pytest.fixture
def large(bucket, monkeypatch):
    """The address of an object of three parts, and what is in it."""
    monkeypatch.setattr(module, "PART", 5 * 2**20)
    data = os.urandom(11 * 2**20)
    write(f"{bucket}/large", data)
    return f"{bucket}/large", data


def test_a_large_object_comes_and_goes_in_parts(large, s3_client):
    path, data = large
    name, _, key = path.removeprefix("s3://").partition("/")
    assert s3_client.head_object(Bucket=name, Key=key)["ETag"].endswith('-3"')  # three parts
    assert read(path) == data
    assert read_range(path, 7, 10**7) == data[7 : 10**7 + 7]


def test_a_file_is_sent_in_parts(bucket, tmp_path, monkeypatch, s3_client):
    monkeypatch.setattr(module, "PART", 5 * 2**20)
    data = os.urandom(6 * 2**20)
    (tmp_path / "file").write_bytes(data)
    store_for(bucket).send(f"{bucket}/sent", tmp_path / "file")
    answer = s3_client.get_object(Bucket=bucket.removeprefix("s3://"), Key="sent")
    assert answer["ETag"].endswith('-2"')
    assert answer["Body"].read() == data


def test_an_object_that_changes_while_it_is_read_is_never_a_mix(large, monkeypatch):
    path, data = large
    ask, asked = module.S3Store._body, itertools.count()

    def changing(self, address, **wanted):
        if wanted and next(asked) == 1:
            write(path, data[::-1])
        return ask(self, address, **wanted)

    monkeypatch.setattr(module.S3Store, "_body", changing)
    with tl.config(workers=1):
        assert "was replaced while it was read" in str(failure(read, path))


def test_a_large_object_that_fails_halfway_is_not_there(bucket, monkeypatch):
    monkeypatch.setattr(module, "PART", 5 * 2**20)

    def broken(*_, **__):
        raise RuntimeError("cable")

    monkeypatch.setattr(store_for(bucket)._client, "upload_part", broken, raising=False)
    with pytest.raises(RuntimeError, match="cable"):
        write(f"{bucket}/large", bytes(11 * 2**20))
    assert not exists(f"{bucket}/large")


# Keys


def test_a_secret_is_in_no_repr_and_no_error():
    path = at("s3://bucket/key", KEYS)
    store = store_for(path)
    for shown in (repr(path), str(path), repr(store), repr(store.credentials), f"{vars(store)}"):
        assert SECRET not in shown
        assert "testing" not in shown


def test_a_password_in_an_endpoint_is_refused_and_not_shown():
    with pytest.raises(SpecError, match="holds a name or password") as caught:
        at("s3://bucket/key", {"endpoint_url": f"http://me:{SECRET}@127.0.0.1:9"})
    assert SECRET not in str(caught.value)


def test_keys_that_boto3_finds_are_in_no_pickle(bucket):
    write(f"{bucket}/key", b"x")
    (entry,) = find(f"{bucket}/key")
    assert read(entry.path) == b"x"  # the client is made, the keys are found
    sent = pickle.dumps(entry)
    assert b"testing" not in sent
    assert read(pickle.loads(sent).path) == b"x"


def test_keys_that_were_given_go_with_every_path_that_comes_of_them(bucket, monkeypatch, s3_server):
    write(f"{bucket}/raw/a", b"x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name)
    given = {**KEYS, "endpoint_url": s3_server}
    (entry,) = find(f"{bucket}/raw", credentials=given)
    for path in (entry.path, join(parent(entry.path), "a"), join(at(bucket, given), "raw/a")):
        assert read(pickle.loads(pickle.dumps(path))) == b"x"
        assert SECRET in str(dict(store_for(path).credentials))
    with output(f"{bucket}/out", ["*"], credentials=given) as folder:
        write(join(folder, "b"), b"y")
    assert read(at(f"{bucket}/out/b", given)) == b"y"
    assert "no credentials are found" in str(failure(read, f"{bucket}/raw/a"))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"user": "AK"}, "no 'user' here; there are access, secret"),
        ({"access": "AK"}, "both 'access' and 'secret'"),
        ({1: 2}, "is a dict such as"),
        ("AK:xyzzy", "not a str"),
    ],
)
def test_credentials_that_mean_nothing(given, found):
    with pytest.raises(SpecError, match=found):
        at("s3://bucket/key", given)


def test_the_endpoint_is_the_given_one_else_the_setting_else_the_environment(monkeypatch):
    def endpoint(credentials=None):
        return store_for("s3://bucket", credentials).endpoint_url

    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    assert endpoint() is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://general")
    assert endpoint() == "http://general"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://environment")
    assert endpoint() == "http://environment"
    with tl.config(endpoint_url="http://setting"):
        assert endpoint() == "http://setting"
        assert endpoint({"endpoint_url": "http://given"}) == "http://given"


def test_an_open_bucket_is_asked_without_a_signature(answering, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with answering(lambda _: (200, b"open")) as (url, asked):
        assert read(at("s3://bucket/key", {"anon": True, "endpoint_url": url})) == b"open"
    assert asked == ["GET /bucket/key"]


def test_one_client_for_a_process_and_its_keys(bucket, monkeypatch):
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: id(store_for(bucket)._client), range(50)))
    assert len(clients) == 1
    assert id(store_for(bucket, KEYS)._client) not in clients
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")  # as one does in a notebook
    assert id(store_for(bucket)._client) not in clients


def test_how_often_and_how_a_busy_server_is_asked_is_boto3s_to_say(monkeypatch):
    def asked():
        return store_for("s3://bucket", KEYS)._client.meta.config.retries

    assert asked() == {"mode": "standard", "total_max_attempts": module.ATTEMPTS}
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    assert asked() == {"mode": "adaptive", "total_max_attempts": 2}


def test_a_forked_child_has_connections_of_its_own(bucket):
    write(f"{bucket}/key", b"x")
    ours = id(store_for(bucket)._client)
    child = os.fork()
    if not child:
        os._exit(0 if module._clients == {} and read(f"{bucket}/key") == b"x" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert id(store_for(bucket)._client) == ours


# What goes wrong


CALLS = {
    "read": read,
    "stat": stat,
    "read_range": lambda path: read_range(path, 0, 1),
    "write": lambda path: write(path, b"x"),
    "find": find,
    "find below": lambda path: find(f"{path}/*.bin"),
    "output": lambda path: output(path, ["*"]).__enter__(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_bucket(bucket, call):
    missing = f"s3://no-{uuid.uuid4().hex}/raw"
    error = failure(call, missing)
    assert isinstance(error, NotFoundError)
    reasons = ("bucket does not exist", f"{parent(missing)} does not exist", "no such file")
    assert any(reason in str(error) for reason in reasons)
    assert not exists(missing)
    delete(missing)


def test_a_missing_bucket_is_said_to_be_one(bucket):
    for call in (read, CALLS["write"], find, CALLS["output"]):
        assert "the bucket does not exist" in str(failure(call, "s3://nobody-has-this/raw"))


def test_nothing_fits(bucket):
    write(f"{bucket}/raw/a.bin", b"")
    with pytest.raises(NotFoundError, match=r"s3://.*/raw: no \.tif file; it contains 1 \.bin"):
        find(f"{bucket}/raw", "tif")
    with pytest.raises(NotFoundError, match=r"s3://.*/raw exists, but contains no .none."):
        find(f"{bucket}/raw/none")


@pytest.fixture
def strict(s3_server, s3_client, bucket):
    """A bucket of the server while that looks at the keys: those of an unknown user."""
    import urllib.request

    write(f"{bucket}/raw/key", b"x")
    for allowed in (b"0", b"1000000000"):
        request = urllib.request.Request(f"{s3_server}/moto-api/reset-auth", allowed)
        request.add_header("Content-Type", "text/plain")
        urllib.request.urlopen(request).close()
        if allowed == b"0":
            yield f"{bucket}/raw"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_keys_that_the_server_does_not_know(strict, call):
    error = failure(call, strict)
    assert isinstance(error, DeniedError)
    assert "the server does not know these credentials" in str(error)


DENIALS = [
    (403, "AccessDenied", DeniedError, "do not allow to read it"),
    (403, "SignatureDoesNotMatch", DeniedError, "does not know these credentials"),
    (400, "ExpiredToken", DeniedError, "have expired"),
    (404, "NoSuchKey", NotFoundError, "no such file"),
    (404, "NoSuchBucket", NotFoundError, "bucket does not exist"),
    (501, "NotImplemented", StorageError, "asked once: the server answers 501 NotImplemented"),
    (503, "SlowDown", StorageError, "too busy to read it, asked 2 times"),
    (500, "InternalError", StorageError, "asked 2 times: the server answers 500 InternalError"),
]


@pytest.mark.parametrize(("status", "code", "kind", "found"), DENIALS, ids=[d[1] for d in DENIALS])
def test_what_the_server_answers_has_a_class_and_a_sentence(
    answering, impatient, status, code, kind, found
):
    with answering(lambda _: (status, code)) as (url, _):
        error = failure(read, at("s3://bucket/raw/key", {**KEYS, "endpoint_url": url}))
    assert type(error) is kind
    assert found in str(error)


def test_a_storm_of_503_is_waited_out(answering):
    def answers(number):
        return (503, "SlowDown") if number < 2 else (200, b"x")

    with answering(answers) as (url, asked):
        assert read(at("s3://bucket/key", {**KEYS, "endpoint_url": url})) == b"x"
    assert len(asked) == 2


@pytest.mark.parametrize("allowance", [0, 100, 50_000])
def test_a_connection_that_breaks_off_is_asked_again(bucket, plain_s3_server, cutting, allowance):
    data = os.urandom(200_000)
    write(f"{bucket}/key", data)
    with cutting(plain_s3_server, allowance, cuts=2) as (url, cut):
        path = at(f"{bucket}/key", {**KEYS, "endpoint_url": url})
        assert read(path) == data
        assert len(cut) == 2


def test_a_connection_that_keeps_breaking_off_is_an_error(
    bucket, plain_s3_server, cutting, impatient
):
    write(f"{bucket}/key", os.urandom(200_000))
    with cutting(plain_s3_server, 50_000, cuts=100) as (url, cut):
        path = at(f"{bucket}/key", {**KEYS, "endpoint_url": url})
        found = str(failure(read, path))
        assert len(cut) == module.READS
    assert "the connection to 127.0.0.1" in found
    assert "keeps breaking off" in found


def test_nobody_there(impatient):
    path = at("s3://bucket/key", {**KEYS, "endpoint_url": "http://127.0.0.1:9"})
    assert "no answer from 127.0.0.1:9" in str(failure(read, path))


def test_no_keys_anywhere(bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    error = failure(read, f"{bucket}/key")
    assert isinstance(error, DeniedError)
    assert "no credentials are found; give credentials=" in str(error)


def test_a_profile_that_is_nowhere(bucket):
    error = failure(read, at(f"{bucket}/key", {"profile": "lab"}))
    assert "unknown profile 'lab'" in str(error)


def test_a_name_that_no_bucket_can_have(bucket):
    assert "cannot be the name of a bucket" in str(failure(read, "s3://no bucket/key"))
