"""What goes wrong between us and a bucket, as our errors: one line that names the address.

boto3's exceptions are told apart by the names of their classes, so that this module needs none of
it. No message repeats what boto3 says in full: an endpoint or a key may stand in that.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from thunderlike.errors import Denied, NotFound, StorageError
from thunderlike.storage.base import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BROKEN_OFF", "answers", "checked", "code_of", "described", "headless", "kinds_of"]

Answer = tuple[type[StorageError], str]

_LIBRARIES = {"boto3", "botocore", "s3transfer"}

# A connection that ends in the middle of an answer; asking again may well help.
BROKEN_OFF = {"ResponseStreamingError", "IncompleteReadError", "ReadTimeoutError"}

_NOT_FOUND = {"NoSuchKey", "404", "NotFound", "NoSuchVersion"}
_UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_FORBIDDEN = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"}
_BUSY = {"SlowDown", "503", "ServiceUnavailable", "Throttling", "TooManyRequests", "RequestLimit"}


@contextmanager
def answers(address: str, verb: str, endpoint: str | None) -> Iterator[None]:
    """Raise boto3's failures as ours; others pass.

    Parameters
    ----------
    address : str
        What was asked for; each message begins with it.
    verb : str
        What was to be done with it.
    endpoint : str or None
        Who was asked; None for Amazon's own servers.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _LIBRARIES:
            raise
        said = _said(error, verb) if code_of(error) else _unsaid(error, verb, _host(endpoint))
        kind, found = said
        raise kind(f"{address}: {found}") from error


def described(address: str, answer: dict[str, Any]) -> Entry:
    """Return what an answer to HEAD says of an object; StorageError when it does not say it."""
    if answer.get("ContentLength") is None:
        raise StorageError(f"{address}: {_NOT_S3}: it has no Content-Length")
    if not answer.get("ETag"):
        raise StorageError(f"{address}: {_NOT_S3}: it has no ETag")
    return Entry(address, int(answer["ContentLength"]), answer["ETag"])


def checked(address: str, answer: dict[str, Any], wanted: str | None) -> tuple[int, Entry]:
    """Check that an answer to GET brings what was asked for, before its body is believed.

    Parameters
    ----------
    address : str
        Of the object.
    answer : dict
        From boto3.
    wanted : str or None
        The range, as ``bytes=0-99`` or ``bytes=100-``.

    Returns
    -------
    int, Entry
        How many bytes the body must have, and the object they are of.

    Raises
    ------
    StorageError
        For an answer of another range or of none, without a length, or without an ETag.
    """
    entry = described(address, answer)
    if wanted is None:
        return entry.size, entry
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status != 206:
        raise StorageError(
            f"{address}: the server ignores Range: it answers {status} to a request of {wanted}, "
            "where 206 is expected"
        )
    given = answer.get("ContentRange", "")
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", given)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, stop, size = map(int, found.groups()) if found else (0, 0, 0)
    end = min(int(last), size - 1) if last else size - 1
    if (start, stop) != (int(first), end) or entry.size != stop - start + 1:
        raise StorageError(
            f"{address}: the server answers a request of {wanted} with "
            f"{given or 'no Content-Range'!r} and {entry.size} bytes"
        )
    return entry.size, Entry(address, size, entry.identity)


def headless(answer: dict[str, Any]) -> bool:
    """Tell whether the connection broke off in the headers of an answer: no length, not chunked."""
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    return answer.get("ContentLength") is None and "transfer-encoding" not in headers


_NOT_S3 = "this is not an answer of a server of buckets"


def code_of(error: Exception) -> str:
    """Return what the server called a failure, or ``''`` when no server said anything."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def kinds_of(error: Exception) -> set[str]:
    """Name the classes of an error."""
    return {kind.__name__ for kind in type(error).__mro__}


def _said(error: Any, verb: str) -> Answer:
    """What an answer of the server means."""
    code, status = code_of(error), error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return NotFound, "there is no such bucket"
    if code in _NOT_FOUND:
        return NotFound, "no such file"
    if code in _UNKNOWN:
        return Denied, f"the server does not know these credentials or their secret ({code})"
    if code in _EXPIRED:
        return Denied, f"these credentials have expired ({code})"
    if code in _FORBIDDEN or status == 403:
        return Denied, f"these credentials do not allow to {verb} it ({code})"
    if code in ("PreconditionFailed", "412"):
        return StorageError, "was replaced while it was read; read it again"
    if code in _BUSY or status == 503:
        return StorageError, f"the server is too busy to {verb} it, {_tried(error)} ({code})"
    return StorageError, f"cannot {verb} it, {_tried(error)}: the server answers {status} {code}"


def _tried(error: Any) -> str:
    times = error.response["ResponseMetadata"].get("RetryAttempts", 0) + 1
    return "asked once" if times == 1 else f"asked {times} times"


def _unsaid(error: Exception, verb: str, host: str) -> Answer:
    """Where there was no answer, or no question."""
    kinds = kinds_of(error)
    if any("redential" in kind or "Token" in kind or "Profile" in kind for kind in kinds):
        return Denied, f"cannot {verb} it: {_keyless(error, kinds)}"
    if kinds & {"ConnectionError", "ConnectionClosedError", "ConnectTimeoutError"}:
        return StorageError, f"cannot {verb} it: no answer from {host}"
    if kinds & BROKEN_OFF or "RetriesExceededError" in kinds:
        return StorageError, f"cannot {verb} it: the connection to {host} keeps breaking off"
    if "ParamValidationError" in kinds:
        return StorageError, f"cannot {verb} it: this cannot be the name of a bucket"
    return StorageError, f"cannot {verb} it: {type(error).__name__}"


def _keyless(error: Exception, kinds: set[str]) -> str:
    if "NoCredentialsError" in kinds:
        return (
            "no credentials are found; give credentials={'access': ..., 'secret': ...}, set "
            "AWS_PROFILE, or give {'anon': True} for a bucket that is open to all"
        )
    if "ProfileNotFound" in kinds:
        return f"there is no profile {getattr(error, 'kwargs', {}).get('profile')!r} in ~/.aws"
    return f"the credentials that are found do not work ({type(error).__name__})"


def _host(endpoint: str | None) -> str:
    return urlsplit(endpoint).netloc if endpoint else "Amazon S3"
