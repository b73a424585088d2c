"""Check a release: build the wheel and the source archive, and install the wheel.

    ./dev release                       contents and metadata of both archives, and versions
    ./dev release --install             also install the wheel on every Python that is found here,
                                        and run the README and `thunderlike doctor` there
    ./dev release --install --extras viz,fast    with these extras
    ./dev release --final               the changelog may have no unreleased lines left

Archives are written to dist/. Exits with 1 if something is wrong, after one line for each problem.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
OLDEST = (3, 11)

# Files that must be in the source archive, next to the package, and those that must not.
SOURCES = (
    *("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "setup.cfg"),
    *("dev", "conda/recipe.yaml", "docs/conf.py", "docs/index.md", "tests/conftest.py"),
    *("examples/quickstart.py", "benchmarks/harness.py", "spark-submit/README.md"),
)
LEFT_OUT = re.compile(
    r"\.py[co]$|__pycache__|/\.git/|\.DS_Store|^docs/(_build|generated|jupyter_execute)/|\.so$"
)

# Runs in the environment of an installed wheel, in an empty folder that has README.md.
RUN = """
import doctest, json, os, pathlib, sys, sysconfig
from importlib import metadata

import thunderlike

site = pathlib.Path(sysconfig.get_path("purelib"))
assert site in pathlib.Path(thunderlike.__file__).parents, thunderlike.__file__
options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
ran = doctest.testfile("README.md", module_relative=False, optionflags=options)
names = {one.metadata["Name"].lower() for one in metadata.distributions()} - {"pip", "setuptools"}
sizes = [
    path.stat().st_size
    for path in site.rglob("*")
    if path.is_file() and not path.relative_to(site).parts[0].startswith(("pip", "setuptools"))
]
times = os.times()
print(json.dumps({
    "version": thunderlike.__version__, "ran": ran.attempted, "failed": ran.failed,
    "packages": len(names), "bytes": sum(sizes), "seconds": times.user + times.system,
}))
"""


class Installed(NamedTuple):
    """A wheel in an environment of its own: size, and the time of the README's examples."""

    python: str
    packages: int
    megabytes: float
    seconds: float


def main(arguments: list[str]) -> int:
    """Run the checks; return 1 if there are problems."""
    parser = argparse.ArgumentParser(prog="./dev release", description=__doc__.split("\n")[0])
    parser.add_argument("--install", action="store_true", help="install on every Python")
    parser.add_argument("--extras", default="", help="extras to install, separated by commas")
    parser.add_argument("--final", action="store_true", help="allow no unreleased lines")
    args = parser.parse_args(arguments)
    wheel, sdist = build()
    found = [*wheel_problems(wheel), *sdist_problems(sdist), *version_problems(args.final)]
    if args.install:
        for python in pythons():
            try:
                print(table_row(install(python, wheel, args.extras)), flush=True)
            except (subprocess.CalledProcessError, AssertionError) as error:
                found.append(f"{python}: {error}")
    print(*(f"release: {line}" for line in found), sep="\n", end="\n" if found else "")
    return int(bool(found))


def build(target: Path = DIST) -> tuple[Path, Path]:
    """Build the source archive, and from it the wheel; return wheel and source archive."""
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--outdir", str(target), str(ROOT)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stdout[-3000:] + ran.stderr[-3000:])
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return wheel, sdist


# ---- Contents


def package_files() -> set[str]:
    """Return the files of the checkout that belong in the wheel."""
    package = ROOT / "thunderlike"
    data = ("*.py", "py.typed", "conf/*", "datasets/sets/*.toml")
    found = {path.relative_to(ROOT) for pattern in data for path in package.rglob(pattern)}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def wheel_problems(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel: missing files, foreign ones, metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(info))
    own = info.removesuffix("METADATA")
    wanted = package_files() | {f"{own}licenses/LICENSE", f"{own}entry_points.txt"}
    others = {name for name in names - wanted if not name.startswith(own)}
    lines = [f"the wheel lacks {name}" for name in sorted(wanted - names)]
    lines += [f"the wheel has {name}, which is not of the package" for name in sorted(others)]
    return lines + metadata_problems(metadata)


def metadata_problems(metadata: email.message.Message) -> list[str]:
    """Return the differences of a wheel's metadata and pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    required = metadata.get_all("Requires-Dist", [])
    pairs = {
        "Name": (metadata["Name"], project["name"]),
        "Version": (metadata["Version"], version()),
        "Requires-Python": (metadata["Requires-Python"], project["requires-python"]),
        "License-Expression": (metadata["License-Expression"], project["license"]),
        "Summary": (metadata["Summary"], project["description"]),
        "Description-Content-Type": (metadata["Description-Content-Type"], "text/markdown"),
        "Provides-Extra": (
            set(metadata.get_all("Provides-Extra", [])),
            set(project["optional-dependencies"]),
        ),
        "requirements without an extra": (
            {line for line in required if "extra ==" not in line},
            set(project["dependencies"]),
        ),
    }
    return [f"{name} is {a!r}, expected {b!r}" for name, (a, b) in pairs.items() if a != b]


def sdist_problems(sdist: Path) -> list[str]:
    """Return what is wrong with a source archive: missing files, generated ones, links."""
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/")[2]: member for member in archive if member.name}
    wanted = package_files() | {*SOURCES}
    lines = [f"the source archive lacks {name}" for name in sorted(wanted - {*members})]
    foreign = [name for name in sorted(members) if LEFT_OUT.search(name)]
    lines += [f"the source archive has {name}" for name in foreign]
    links = [name for name, one in sorted(members.items()) if one.islnk() or one.issym()]
    return lines + [f"{name} is a link in the source archive" for name in links]


# ---- Versions


def version() -> str:
    """Return the version of the checkout."""
    text = (ROOT / "thunderlike" / "_version.py").read_text("utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return str(found)


def version_problems(final: bool) -> list[str]:
    """Return the files that state another version; with `final` also unreleased changes."""
    wanted = {
        "CITATION.cff": f"version: {version()}\n",
        "conda/recipe.yaml": f'version: "{version()}"\n',
        "CHANGELOG.md": f"\n## [{version()}] - ",
    }
    texts = {name: (ROOT / name).read_text("utf-8") for name in wanted}
    lines = [
        f"{name} does not have {text.strip()!r}"
        for name, text in wanted.items()
        if text not in texts[name]
    ]
    if final and "## [Unreleased]" in texts["CHANGELOG.md"]:
        lines.append("CHANGELOG.md has a section for unreleased changes")
    return lines


# ---- Installs


def pythons() -> list[Path]:
    """Return one Python for each supported version: those on PATH, then those of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = [shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 30)]
    candidates = [*filter(None, on_path), *sorted(root.glob("versions/*/bin/python"))]
    found: dict[tuple[int, ...], Path] = {}
    for python in map(Path, candidates):
        text = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
        ran = subprocess.run([python, "-c", text], capture_output=True, text=True, check=False)
        if ran.returncode == 0 and (number := tuple(map(int, ran.stdout.split()))) >= OLDEST:
            found.setdefault(number, python)
    return [found[number] for number in sorted(found)]


def install(python: Path, wheel: Path, extras: str) -> Installed:
    """Install a wheel in a new environment; run the README and the doctor in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "environment")
        call([python, "-m", "venv", home], folder)
        own = home / ("Scripts" if os.name == "nt" else "bin")
        what = f"{wheel}[{extras}]" if extras else str(wheel)
        call([own / "python", "-m", "pip", "install", "--quiet", what], folder)
        call([own / "python", "-m", "pip", "check"], folder)
        shutil.copy(ROOT / "README.md", folder)
        ran = json.loads(call([own / "python", "-c", RUN], folder).splitlines()[-1])
        assert ran["version"] == version(), ran
        assert ran["failed"] == 0 < ran["ran"], ran
        said = call([own / "thunderlike", "--version"], folder)
        assert said.split()[:2] == ["thunderlike", version()], said
        call([own / "thunderlike", "doctor"], folder)
        name = call([own / "python", "-c", "import sys; print(sys.version.split()[0])"], folder)
    return Installed(name.strip(), ran["packages"], ran["bytes"] / 1e6, ran["seconds"])


def call(command: list[Path | str], folder: str) -> str:
    """Run a command in a folder without the checkout; return its output, or raise with its end."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout


def table_row(installed: Installed) -> str:
    """Format a row of the table of installs."""
    return (
        f"Python {installed.python:8}{installed.packages:4} packages {installed.megabytes:6.0f} MB"
        f"   README {installed.seconds:5.1f} CPU s"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
