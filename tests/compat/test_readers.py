from __future__ import annotations

import builtins

import pytest
from thunder.readers import (
    FileNotFoundError,
    LocalFileReader,
    LocalParallelReader,
    get_file_reader,
    get_parallel_reader,
    normalize_scheme,
)

from thunderlike import storage
from thunderlike.errors import SpecError, StorageError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.bin", "a.bin", "notes.txt", "deep/c.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(f"in {name}".encode())
    return tmp_path


def test_the_error_is_the_builtin():
    assert FileNotFoundError is builtins.FileNotFoundError


class TestParallelReader:
    def test_list(self, folder):
        assert LocalParallelReader.list(folder, "bin") == [f"{folder}/a.bin", f"{folder}/b.bin"]
        assert LocalParallelReader.list(folder, "bin", stop=1) == [f"{folder}/a.bin"]
        assert len(LocalParallelReader.list(folder, "bin", recursive=True)) == 3
        with pytest.raises(FileNotFoundError, match="png"):
            LocalParallelReader.list(folder, "png")

    @pytest.fixture
    def expected(self, folder):
        return [(0, b"in a.bin", f"{folder}/a.bin"), (1, b"in b.bin", f"{folder}/b.bin")]

    def test_read(self, folder, expected):
        assert LocalParallelReader().read(folder, "bin") == expected

    @pytest.mark.spark
    def test_read_on_spark(self, folder, expected, spark_context):
        rdd = LocalParallelReader(spark_context).read(folder, "bin", npartitions=9)
        assert rdd.getNumPartitions() == 2
        assert rdd.collect() == expected


class TestFileReader:
    reader = LocalFileReader()

    def test_list(self, folder):
        top = [f"{folder}/{name}" for name in ("a.bin", "b.bin", "notes.txt")]
        assert self.reader.list(folder) == top
        assert self.reader.list(folder / "*.bin") == top[:2]
        assert self.reader.list(folder, "notes.txt") == top[2:]
        assert self.reader.list(folder / "a.bin", "notes.txt") == top[2:]
        assert self.reader.list(folder / "*.bin", "notes.txt") == top[2:]
        assert len(self.reader.list(folder, recursive=True)) == 4

    def test_nothing_is_an_empty_list(self, folder):
        assert self.reader.list(folder, "other.txt") == []
        assert self.reader.list(folder / "nowhere") == []

    def test_read(self, folder):
        assert self.reader.read(folder, "a.bin") == b"in a.bin"
        assert self.reader.read(folder / "a.bin", offset=3) == b"a.bin"
        assert self.reader.read(folder / "a.bin", offset=3, size=1) == b"a"
        with self.reader.open(folder / "a.bin") as file:
            assert (file.read(2), file.read()) == (b"in", b" a.bin")

    def test_one_file_is_wanted(self, folder):
        with pytest.raises(FileNotFoundError, match=r"other\.txt"):
            self.reader.read(folder, "other.txt")
        with pytest.raises(SpecError, match="3 files"):
            self.reader.open(folder)


def test_the_class_for_a_path():
    assert get_parallel_reader("file:///data") is get_parallel_reader("data")
    assert get_file_reader("memory://data")().list("memory://data") == []
    for get in (get_parallel_reader, get_file_reader):
        with pytest.raises(StorageError, match="ftp"):
            get("ftp://host/data")


def test_full_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert normalize_scheme("raw") == f"file://{tmp_path}/raw"
    assert normalize_scheme("raw", "tif") == f"file://{tmp_path}/raw/*.tif"
    assert normalize_scheme("raw/*.tif", "tif") == f"file://{tmp_path}/raw/*.tif"
    assert normalize_scheme("memory://raw", "tif") == "memory://raw/*.tif"


@pytest.mark.parametrize("where", [None, pytest.param("spark", marks=pytest.mark.spark)])
def test_credentials_open_a_bucket(bucket, s3_server, monkeypatch, request, where):
    storage.write(f"{bucket}/raw/a.bin", b"abc")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name)
    keys = {"access": "testing", "secret": "testing", "endpoint_url": s3_server}
    engine = where and request.getfixturevalue("spark_context")
    found = LocalParallelReader(engine, credentials=keys).read(f"{bucket}/raw", "bin")
    assert list(getattr(found, "collect", lambda: found)()) == [(0, b"abc", f"{bucket}/raw/a.bin")]
    assert LocalFileReader(keys).read(f"{bucket}/raw/*.bin", offset=1, size=1) == b"b"
