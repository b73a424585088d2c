"""Python and the libraries, against the ranges that the package itself declares."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata, util
from pathlib import Path

import thunderlike
from thunderlike.cli.checks.finding import Finding, Level

__all__ = ["library", "package", "python", "requirements"]

_NAME = re.compile(r"[\w.-]+")


def package() -> Finding:
    """Where thunderlike is, and whether it was installed."""
    home = str(Path(thunderlike.__file__).parent)
    try:
        version = metadata.version("thunderlike")
    except metadata.PackageNotFoundError:
        found = f"runs from {home}, and is not installed there"
        return Finding("thunderlike", "FAIL", found, _install(f"-e {Path(home).parent}"))
    return Finding("thunderlike", "ok", f"{version} in {home}", details={"version": version})


def python() -> Finding:
    """Whether this Python is one that the package runs on."""
    from packaging.specifiers import SpecifierSet

    version, wanted = platform.python_version(), metadata.metadata("thunderlike")["Requires-Python"]
    details = {"version": version, "wanted": wanted, "executable": sys.executable}
    known = SpecifierSet(wanted)
    if known.contains(version):
        return Finding("python", "ok", f"{version} at {sys.executable}", details=details)
    newest = next(f"3.{minor}" for minor in range(99, 0, -1) if known.contains(f"3.{minor}"))
    fix = f"python{newest} -m venv .venv"
    return Finding("python", "FAIL", f"is {version}, thunderlike needs {wanted}", fix, details)


def requirements() -> dict[str, str]:
    """Every library that the package declares, extras included: what it says, by name."""
    try:
        declared = metadata.requires("thunderlike") or []
    except metadata.PackageNotFoundError:
        return {}  # `package` says so
    named = {found.group(): line for line in declared if (found := _NAME.match(line))}
    return {name: line for name, line in named.items() if name != "thunderlike"}


def library(declared: str) -> Finding:
    """Whether a library is there, in a version that the package knows.

    Parameters
    ----------
    declared : str
        A requirement, as in the metadata of a package.

    Examples
    --------
    >>> library("numpy>=1").level, library('no-such-library>=2; extra == "all"').level
    ('ok', 'warn')
    """
    from packaging.requirements import Requirement

    wanted = Requirement(declared)
    fix = _install(f"'{wanted.name}{wanted.specifier}'")
    needed = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
    level: Level = "FAIL" if needed else "warn"
    details = {"wanted": str(wanted.specifier)}
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        found = "is not installed" if needed else "is not installed (optional)"
        return Finding(wanted.name, level, found, fix, details)
    details["version"] = version
    if wanted.specifier.contains(version, prereleases=True):
        return Finding(wanted.name, "ok", version, details=details)
    return Finding(wanted.name, level, f"is {version}, not {wanted.specifier}", fix, details)


def _install(what: str) -> str:
    """The command that installs into this environment; one that uv made has no pip."""
    if util.find_spec("pip"):
        return f"{sys.executable} -m pip install {what}"
    return f"uv pip install --python {sys.executable} {what}"
