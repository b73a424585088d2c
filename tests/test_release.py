"""The check of a release finds what is wrong with archives and versions."""

from __future__ import annotations

import io
import runpy
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
check = SimpleNamespace(**runpy.run_path(str(ROOT / "release" / "check.py")))
INFO = f"thunderlike-{check.version()}.dist-info/"
WHOLE = check.package_files() | {f"{INFO}licenses/LICENSE", f"{INFO}entry_points.txt"}
SOURCE = check.package_files() | {*check.SOURCES}


def metadata(**changed):
    """The metadata of a right wheel, with some lines changed."""
    fields = {
        "Name": PROJECT["name"],
        "Version": check.version(),
        "Requires-Python": PROJECT["requires-python"],
        "License-Expression": PROJECT["license"],
        "Summary": PROJECT["description"],
        "Description-Content-Type": "text/markdown",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += [f"Provides-Extra: {extra}" for extra in PROJECT["optional-dependencies"]]
    lines += [f"Requires-Dist: {one}" for one in PROJECT["dependencies"]]
    return "\n".join([*lines, 'Requires-Dist: numba>=0.61; extra == "fast"', "", "README"])


def wheel(folder, names, text):
    path = folder / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
        archive.writestr(f"{INFO}METADATA", text)
    return path


def sdist(folder, names, links=()):
    path = folder / "some.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in {*names, *links}:
            member = tarfile.TarInfo(f"thunderlike-{check.version()}/{name}")
            member.type = tarfile.SYMTYPE if name in links else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO())
    return path


def test_right_archives_have_no_problems(tmp_path):
    assert check.wheel_problems(wheel(tmp_path, WHOLE, metadata())) == []
    assert check.sdist_problems(sdist(tmp_path, SOURCE)) == []


@pytest.mark.parametrize(
    "name",
    ["thunderlike/py.typed", "thunderlike/conf/thunderlike.toml", f"{INFO}licenses/LICENSE"],
)
def test_a_file_that_the_wheel_lacks_is_named(tmp_path, name):
    (problem,) = check.wheel_problems(wheel(tmp_path, WHOLE - {name}, metadata()))
    assert name in problem


@pytest.mark.parametrize("name", ["tests/conftest.py", "thunderlike/old.py", "docs/conf.py"])
def test_a_file_that_the_wheel_should_not_have_is_named(tmp_path, name):
    (problem,) = check.wheel_problems(wheel(tmp_path, WHOLE | {name}, metadata()))
    assert name in problem


@pytest.mark.parametrize(
    "changed",
    [{"Version": "9.9"}, {"License_Expression": "MIT"}, {"Requires_Python": ">=3.9"}],
)
def test_metadata_that_differ_are_named(tmp_path, changed):
    (problem,) = check.wheel_problems(wheel(tmp_path, WHOLE, metadata(**changed)))
    assert next(iter(changed.values())) in problem


def test_a_requirement_or_an_extra_that_is_lost_is_named(tmp_path):
    text = metadata().replace("Requires-Dist: h5py", "X: h5py")
    (problem,) = check.wheel_problems(wheel(tmp_path, WHOLE, text))
    assert "h5py" in problem
    text = metadata().replace("Provides-Extra: fast", "X: fast")
    (problem,) = check.wheel_problems(wheel(tmp_path, WHOLE, text))
    assert "Provides-Extra" in problem


def test_problems_of_a_source_archive_are_named(tmp_path):
    made = "docs/generated/activity.png"
    bytecode = "thunderlike/__pycache__/errors.cpython-311.pyc"
    archive = sdist(tmp_path, SOURCE - {"LICENSE"} | {made, bytecode}, links={"conf"})
    problems = check.sdist_problems(archive)
    assert [name for name in ("LICENSE", made, bytecode, "conf") if name in "\n".join(problems)]
    assert len(problems) == 4


def test_versions_of_this_checkout_agree():
    assert check.version_problems(final=False) == []
