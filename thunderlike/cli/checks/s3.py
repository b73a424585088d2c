"""Where credentials for buckets would come from: names of places, never what is in them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from thunderlike.cli.checks.finding import Finding
from thunderlike.config import current
from thunderlike.errors import ConfigError

__all__ = ["s3"]

_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


def s3() -> Finding:
    """Which credentials would be used and with which host, as far as one sees without asking it."""
    profile, named = os.environ.get("AWS_PROFILE", "default"), "AWS_PROFILE" in os.environ
    source, endpoint, boto3 = _source(profile), _endpoint(), _version("boto3")
    details = {"credentials": source, "endpoint": endpoint, "boto3": boto3}
    if ("AWS_ACCESS_KEY_ID" in os.environ) != ("AWS_SECRET_ACCESS_KEY" in os.environ):
        found = "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set"
        fix = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"
        return Finding("s3", "warn", found, fix, details)
    if named and _file_of(profile) is None:  # boto3 wants it there, whatever else it finds
        found = f"AWS_PROFILE={profile} is in no file of credentials"
        return Finding("s3", "warn", found, "unset AWS_PROFILE", details)
    found = f"credentials: {source or 'none'}; endpoint: {endpoint}; boto3: {boto3 or 'none'}"
    return Finding("s3", "ok", found, details=details)


def _source(profile: str) -> str | None:
    """The first place where botocore would look and find something."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        if name in os.environ:
            return name
    if path := _file_of(profile):
        return f"profile {profile} in {path}"
    return next((n for n in os.environ if n.startswith("AWS_CONTAINER_CREDENTIALS_")), None)


def _file_of(profile: str) -> Path | None:
    """The first file of credentials that has a profile."""
    paths = (Path(os.environ.get(name, default)) for name, default in _FILES.items())
    found = (Path(os.path.expanduser(path)) for path in paths)  # noqa: PTH111  # pathlib's raises without a home
    return next((path for path in found if profile in _profiles(path)), None)


def _profiles(path: Path) -> list[str]:
    """Names of the sections; no other line of such a file is looked at."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:  # also of a home that may not be read
        return []
    return re.findall(r"^\[(?:profile )?\s*([^\]]+?)\s*\]", text, re.MULTILINE)


def _endpoint() -> str:
    """The host asked, without the password that may stand before it."""
    given = [os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")]
    with suppress(ConfigError):  # another check says what is wrong with the settings
        given.insert(0, current().endpoint_url)
    url = next(filter(None, given), "")
    return urlsplit(url).netloc.rpartition("@")[2] or "Amazon's own"


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
