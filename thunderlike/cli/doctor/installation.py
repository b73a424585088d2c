"""Checks of Python, libraries, settings and credentials."""

from __future__ import annotations

import os
import platform
import re
import sys
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import thunderlike
from thunderlike.cli.doctor.finding import Finding, Level
from thunderlike.config import _path, current
from thunderlike.errors import ConfigError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["extras", "installed", "library", "package", "python", "requirements", "s3", "settings"]


_NAME = re.compile(r"[\w.-]+")


def package() -> Finding:
    """Check that thunderlike is installed, and report its folder."""
    home = str(Path(thunderlike.__file__).parent)
    try:
        version = metadata.version("thunderlike")
    except metadata.PackageNotFoundError:
        found = f"runs from {home}, and is not installed there"
        return Finding("thunderlike", "FAIL", found, _install(f"-e {Path(home).parent}"))
    return Finding("thunderlike", "ok", f"{version} in {home}", details={"version": version})


def python() -> Finding:
    """Check the version of Python against the one that the package requires."""
    from packaging.specifiers import SpecifierSet

    version, wanted = platform.python_version(), metadata.metadata("thunderlike")["Requires-Python"]
    details = {"version": version, "wanted": wanted, "executable": sys.executable}
    known = SpecifierSet(wanted)
    if known.contains(version):
        return Finding("python", "ok", f"{version} at {sys.executable}", details=details)
    classifiers = metadata.metadata("thunderlike").get_all("Classifier") or []
    tested = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", " ".join(classifiers))]
    fix = f"python3.{max(tested, default=11)} -m venv .venv"
    return Finding("python", "FAIL", f"is {version}, thunderlike needs {wanted}", fix, details)


def requirements() -> dict[str, str]:
    """Return the requirements of the package, extras included, by the name of the library."""
    try:
        declared = metadata.requires("thunderlike") or []
    except metadata.PackageNotFoundError:
        return {}  # the check `package` reports it
    named = {found.group(): line for line in declared if (found := _NAME.match(line))}
    return {name: line for name, line in named.items() if name != "thunderlike"}


def installed(declared: str) -> bool:
    """Return whether a library is installed, in any version, or needed without an extra."""
    from packaging.requirements import Requirement

    wanted = Requirement(declared)
    return _version(wanted.name) is not None or _is_needed(wanted)


def extras() -> Finding:
    """List the extras that have libraries which are not installed; none of them is needed."""
    from packaging.requirements import Requirement

    known = metadata.metadata("thunderlike").get_all("Provides-Extra") or []
    lines = [Requirement(line) for line in metadata.requires("thunderlike") or []]
    missing: dict[str, list[str]] = {}
    for extra in known:
        for line in lines:
            of_extra = line.marker is not None and line.marker.evaluate({"extra": extra})
            if of_extra and line.name != "thunderlike" and _version(line.name) is None:
                missing.setdefault(extra, []).append(line.name)
    if not missing:
        return Finding("extras", "ok", "all are installed")
    found = f"not installed, and needed only for what they are named after: {', '.join(missing)}"
    fix = _install(f"'thunderlike[{next(iter(missing))}]' and so on")
    return Finding("extras", "ok", found, fix, dict(missing))


def _is_needed(wanted: Requirement) -> bool:
    """Return whether a requirement holds without an extra: ``extra == "s3"`` is false for none."""
    return wanted.marker is None or wanted.marker.evaluate({"extra": ""})


def library(declared: str) -> Finding:
    """Check that a library is installed in a supported version.

    Parameters
    ----------
    declared : str
        Requirement as in the metadata of a package.

    Examples
    --------
    >>> library("numpy>=1").level, library('no-such-library>=2; extra == "all"').level
    ('ok', 'warn')
    """
    from packaging.requirements import Requirement

    wanted = Requirement(declared)
    fix = _install(f"'{wanted.name}{wanted.specifier}'")
    needed = _is_needed(wanted)
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
    """Return the command that installs into this environment; those of uv have no pip."""
    if util.find_spec("pip"):
        return f"{sys.executable} -m pip install {what}"
    return f"uv pip install --python {sys.executable} {what}"


def settings() -> Finding:
    """Check the settings, and report their sources in increasing priority."""
    path = _path()
    names = sorted(name for name in os.environ if name.startswith("THUNDERLIKE_"))
    there = path is not None and os.access(path, os.R_OK) and path.is_file()
    details = {"file": str(path), "exists": there, "environment": names}
    try:
        current()
    except ConfigError as error:
        wrong = [n for n in names if n.removeprefix("THUNDERLIKE_").lower() in str(error).split()]
        fix = f"edit {path}" if str(path) in str(error) else f"unset {' '.join(wrong)}"
        return Finding("settings", "FAIL", str(error), fix, details)
    if "THUNDERLIKE_CONFIG" in names and not there:
        found = f"THUNDERLIKE_CONFIG={path} is no file"
        return Finding("settings", "warn", found, "unset THUNDERLIKE_CONFIG", details)
    file = f"{path}" if there else f"{path} (not found)" if path else "no home, no file"
    found = f"{file} < {', '.join(names) or 'no THUNDERLIKE_*'}"
    return Finding("settings", "ok", found, details=details)


_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


def s3() -> Finding:
    """Report the source of credentials and the endpoint, without a request to it."""
    profile, named = os.environ.get("AWS_PROFILE", "default"), "AWS_PROFILE" in os.environ
    source, endpoint, boto3 = _source(profile), _endpoint(), _version("boto3")
    details = {"credentials": source, "endpoint": endpoint, "boto3": boto3}
    if ("AWS_ACCESS_KEY_ID" in os.environ) != ("AWS_SECRET_ACCESS_KEY" in os.environ):
        found = "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set"
        fix = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"
        return Finding("s3", "warn", found, fix, details)
    # boto3 fails without the profile, even with credentials elsewhere.
    if named and _file_of(profile) is None:
        found = f"AWS_PROFILE={profile} is in no file of credentials"
        return Finding("s3", "warn", found, "unset AWS_PROFILE", details)
    found = f"credentials: {source or 'none'}; endpoint: {endpoint}; boto3: {boto3 or 'none'}"
    return Finding("s3", "ok", found, details=details)


def _source(profile: str) -> str | None:
    """Return the first source in botocore's order of search that has credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        if name in os.environ:
            return name
    if path := _file_of(profile):
        return f"profile {profile} in {path}"
    return next((n for n in os.environ if n.startswith("AWS_CONTAINER_CREDENTIALS_")), None)


def _file_of(profile: str) -> Path | None:
    """Return the first credentials file that has a profile."""
    for name, default in _FILES.items():
        path = Path(os.path.expanduser(os.environ.get(name, default)))  # noqa: PTH111  # pathlib's raises without a home
        try:
            text = path.read_text("utf-8", errors="replace")
        except OSError:  # also without permission to read the home
            continue
        # Names of sections alone: the other lines are secrets.
        if profile in re.findall(r"^\[(?:profile )?\s*([^\]]+?)\s*\]", text, re.MULTILINE):
            return path
    return None


def _endpoint() -> str:
    """Return the host of the endpoint, without user and password."""
    given = [os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")]
    with suppress(ConfigError):  # the check of settings reports it
        given.insert(0, current().endpoint_url)
    url = next(filter(None, given), "")
    return urlsplit(url).netloc.rpartition("@")[2] or "Amazon's own"


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
