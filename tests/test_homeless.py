"""A user who is a number: without a name, a home, or the right to read the one that is named.

Containers are started so. The name service is replaced and not the user, since only root could.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.cli.doctor.installation import settings
from thunderlike.config import Settings, current, home
from thunderlike.engines.session import user_of_java
from thunderlike.errors import ConfigError, NotFoundError, StorageError
from thunderlike.hdf5.compression import _default
from thunderlike.jobs.submit import cache

README = """
import pwd

def unknown(*_):
    raise KeyError("uid not found")

pwd.getpwuid = pwd.getpwnam = unknown

import thunderlike as tl
from thunderlike.images.examples import calcium

speed = calcium().behaviour
movie = tl.images.fromexample("calcium")
pixels = movie.gaussian_filter(1.5).toseries().detrend().zscore()
activity = pixels.correlate(speed).toarray()
tl.save("memory://activity.h5", {"map": activity})
print(tl.load("memory://activity.h5")["map"].shape, bool(activity.max() > 0.7))
"""


SETTINGS = ("THUNDERLIKE_CONFIG", "THUNDERLIKE_PROGRESS")


@pytest.fixture
def nameless(monkeypatch, tmp_path):
    """A process without ``HOME`` whose user the system does not know."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "SPARK_USER", "SPARK_SUBMIT_OPTS", *SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_ten_lines_of_the_readme_run_without_a_home(tmp_path):
    variables = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    run = subprocess.run(
        [sys.executable, "-c", README],
        env={**variables, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("(128, 128) True\n", "")


@pytest.mark.usefixtures("nameless")
def test_settings_and_caches_do_without_a_home(tmp_path):
    assert home() is None
    assert current() == Settings()
    assert _default() == "zlib:1"
    assert "no home, no file" in settings().found
    assert cache() == tmp_path / f"thunderlike-cache-{os.getuid()}"
    assert cache().stat().st_mode & 0o777 == 0o700
    assert storage.exists(tmp_path)


@pytest.mark.usefixtures("nameless")
def test_a_cache_that_others_may_write_in_is_refused(tmp_path):
    cache().chmod(0o777)
    with pytest.raises(StorageError, match="other users may write there; change XDG_CACHE_HOME"):
        cache()
    cache_folder = tmp_path / f"thunderlike-cache-{os.getuid()}"
    cache_folder.rmdir()
    cache_folder.symlink_to(tmp_path)
    with pytest.raises(StorageError, match="other users may write there"):
        cache()


@pytest.mark.usefixtures("nameless")
def test_a_path_in_a_home_that_is_not_there_is_an_error():
    for call in (storage.read, storage.exists, lambda path: storage.write(path, b"")):
        with pytest.raises(StorageError, match=r"~/x: this user has no home folder"):
            call("~/x")


@pytest.mark.usefixtures("nameless")
def test_java_is_given_a_name_and_a_home(monkeypatch, tmp_path):
    number = os.getuid()
    assert user_of_java() == {
        "SPARK_USER": f"uid{number}",
        "SPARK_SUBMIT_OPTS": f"-Duser.name=uid{number} '-Duser.home={tmp_path}' ",
    }
    monkeypatch.setenv("SPARK_USER", "anna")
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Xmx1g")
    assert user_of_java()["SPARK_USER"] == "anna"
    assert user_of_java()["SPARK_SUBMIT_OPTS"].endswith("' -Xmx1g")


def test_java_knows_a_user_of_the_system():
    assert user_of_java() == {}


def test_a_home_that_may_not_be_read_holds_no_settings(monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refused)
    assert current() == Settings()
    monkeypatch.setenv("THUNDERLIKE_CONFIG", "/closed/thunderlike.toml")
    with pytest.raises(ConfigError, match=r"/closed/thunderlike.toml: .*cannot be read"):
        current()


def test_a_current_folder_that_was_removed_is_named(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(NotFoundError, match="x: the current folder was removed"):
        storage.read("x")
    storage.write(tmp_path / "y", b"1")
    storage.delete(tmp_path / "y")
    with pytest.raises(NotFoundError, match="the current folder was removed"):
        tl.images.fromtif("x")
