"""Other clouds: what the bridge to fsspec says when something is missing there."""

from __future__ import annotations

import pickle

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from thunderlike.errors import DeniedError, MissingExtraError, StorageError
from thunderlike.storage import at, find, read, store_for, write
from thunderlike.storage.paths import STORES

SECRET = "wJalrXUtnFEMI"


class Grudging(MemoryFileSystem):
    """Answers with an error that the test chooses."""

    answer: Exception = PermissionError("no")

    def cat_file(self, *_, **__):
        raise self.answer

    pipe_file = cat_file


@pytest.fixture
def cloud(monkeypatch):
    fsspec.register_implementation("grudging", Grudging, clobber=True)
    monkeypatch.setitem(STORES, "grudging", STORES["gs"])
    return "grudging://bucket/key"


@pytest.mark.parametrize(
    ("answer", "kind", "found"),
    [
        (PermissionError(SECRET), DeniedError, "do not allow to read it"),
        (ConnectionResetError(SECRET), StorageError, "cannot read it: ConnectionResetError"),
        (NotImplementedError(SECRET), StorageError, "grudging:// cannot read files"),
        (ValueError(SECRET), StorageError, "cannot read it: ValueError"),
    ],
)
def test_errors_of_any_library_are_ours(cloud, monkeypatch, answer, kind, found):
    monkeypatch.setattr(Grudging, "answer", answer)
    with pytest.raises(kind, match=found) as caught:
        read(cloud)
    assert str(caught.value).startswith(f"{cloud}: ")
    assert SECRET not in str(caught.value)


def test_a_write_that_is_refused(cloud):
    with pytest.raises(DeniedError, match="do not allow to write it"):
        write(cloud, b"x")


def test_a_library_that_is_missing_is_named_with_what_brings_it(monkeypatch):
    fsspec.register_implementation("rare", "no_such_library.FS", clobber=True)
    monkeypatch.setitem(STORES, "rare", STORES["gs"])
    with pytest.raises(MissingExtraError, match=r"rare:// needs .*thunderlike\[cloud\]"):
        find("rare://bucket/key")


def test_credentials_are_the_options_of_the_filesystem_and_are_not_shown(cloud):
    path = at(cloud, {"token": SECRET})
    assert SECRET not in repr(store_for(path)) + repr(path)
    assert dict(store_for(pickle.loads(pickle.dumps(path))).credentials) == {"token": SECRET}


@pytest.mark.parametrize("scheme", ["gs", "az", "http", "https"])
def test_clouds_and_the_web_have_a_store(scheme):
    assert store_for(f"{scheme}://bucket/key").scheme == scheme
