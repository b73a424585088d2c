"""What is sent along: a zip from which the package works, an archive of an environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv

import pytest

from thunderlike.errors import MissingExtraError, StorageError
from thunderlike.jobs import submit


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "thunderlike"


def test_the_package_works_from_its_zip(home):
    file = submit.package()
    assert file.parent == home
    code = (
        "import thunderlike as tl, thunderlike.cli.scripts.activity_map as job\n"
        "print(tl.__file__, tl.images.fromrandom((2, 3, 4)).median_filter(3).shape)"
    )
    libraries = os.pathsep.join(path for path in sys.path if "site-packages" in path)
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code],  # without links to a checkout
        env={**os.environ, "PYTHONPATH": f"{file}{os.pathsep}{libraries}"},
        capture_output=True, text=True, check=False, cwd=home,
    )  # fmt: skip
    assert ran.stdout == f"{file}/thunderlike/__init__.py (2, 3, 4)\n", ran.stderr


def test_the_same_package_is_zipped_once():
    first = submit.package()
    time = first.stat().st_mtime_ns
    assert submit.package() == first
    assert first.stat().st_mtime_ns == time


@pytest.fixture
def small(tmp_path):
    """An environment with next to nothing in it."""
    venv.create(tmp_path / "small", symlinks=True, with_pip=False)
    packages = next((tmp_path / "small").glob("lib/python*/site-packages"))
    for name in ("pyspark", "ours"):
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text("")
    return tmp_path / "small"


def test_an_environment_is_packed_without_spark(small, home):
    file = submit.environment(str(small))
    assert file.parent == home
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert "bin/python" in names
    assert any(name.endswith("site-packages/ours/__init__.py") for name in names)
    assert not any("pyspark/" in name for name in names)


def test_what_is_no_environment_is_named(tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(StorageError, match="bare: cannot be packed"):
        submit.environment(str(tmp_path / "bare"))
    assert not list((tmp_path / "thunderlike").iterdir())


def test_an_environment_of_conda_needs_its_own_packer(tmp_path, monkeypatch):
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "conda_pack", None)
    with pytest.raises(MissingExtraError, match="conda_pack is not installed"):
        submit.environment(str(tmp_path / "conda"))


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="another XDG_CACHE_HOME may help"):
        submit.package()
