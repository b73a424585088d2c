"""Checks of S3 responses, and their errors as StorageError."""

from __future__ import annotations

import re
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from thunderlike.errors import DeniedError, NotFoundError, StorageError
from thunderlike.storage.base import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BROKEN_OFF",
    "PATIENCE",
    "SILENCES",
    "SILENT",
    "NotS3Error",
    "answers",
    "checked",
    "code_of",
    "complete",
    "described",
    "headless",
    "kinds_of",
    "patient",
]

Answer = tuple[type[StorageError], str]

_LIBRARIES = {"boto3", "botocore", "s3transfer"}

# A connection that ends in the middle of an answer; asking again may well help.
BROKEN_OFF = {"ResponseStreamingError", "IncompleteReadError", "ReadTimeoutError"}

# No answer at all: asked three times, 18 s each, a silent server is given up within a minute.
SILENT = {"ReadTimeoutError", "ConnectTimeoutError"}
PATIENCE, SILENCES = 18, 3

_NOT_FOUND = {"NoSuchKey", "404", "NotFound", "NoSuchVersion"}
_UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_FORBIDDEN = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"}
_BUSY = {"SlowDown", "503", "ServiceUnavailable", "Throttling", "TooManyRequests", "RequestLimit"}


@contextmanager
def answers(address: str, verb: str, endpoint: str | None) -> Iterator[None]:
    """Convert boto3 exceptions to StorageError; others pass.

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
    except NotS3Error as error:
        raise StorageError(f"{address}: cannot {verb} it: {_NOT_S3}: {error}") from error
    except Exception as error:
        if not _is_of_library(error):
            raise
        cause = _unwrapped(error)
        # Without user and password, which an address may have.
        host = urlsplit(endpoint).netloc if endpoint else "Amazon S3"
        kind, found = _said(cause, verb) if code_of(cause) else _unsaid(cause, verb, host)
        raise kind(f"{address}: {found}") from cause


def _is_of_library(error: Exception) -> bool:
    """Return whether boto3 raised an exception, of its own classes or of Python's."""
    if type(error).__module__.partition(".")[0] in _LIBRARIES:
        return True
    frames = list(traceback.walk_tb(error.__traceback__))
    module = str(frames[-1][0].f_globals.get("__name__", "")) if frames else ""
    return module.partition(".")[0] in _LIBRARIES and isinstance(error, _NONSENSE)


_NONSENSE = (KeyError, ValueError, TypeError, AttributeError, IndexError)


def _unwrapped(error: Exception) -> Exception:
    """Return the cause of a failed upload, which boto3 raises again as text only."""
    while "S3UploadFailedError" in kinds_of(error):
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, Exception):
            return error
        error = inner
    return error


class NotS3Error(Exception):  # never leaves this package
    """Response that is not of an S3 server, such as the page of a proxy."""


# What the answer to each request has if it was done; `checked` looks at those to GET and HEAD.
_NEEDED = {
    "CompleteMultipartUpload": "Key",
    "CopyObject": "CopyObjectResult",
    "CreateMultipartUpload": "UploadId",
    "ListObjectsV2": "IsTruncated",
    "PutObject": "ETag",
    "UploadPart": "ETag",
    "UploadPartCopy": "CopyPartResult",
}


def complete(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Raise `NotS3Error` for the answer of another kind of server; a hook of boto3."""
    if http_response.status_code >= 300 or model.name in ("GetObject", "HeadObject"):
        return
    # By its beginning: some servers of buckets call all that they send text/html.
    if http_response.content[:100].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise NotS3Error("it is an HTML page")
    needed = _NEEDED.get(model.name)
    if needed is not None and needed not in parsed:
        raise NotS3Error(f"it has no {needed}")


def patient(attempts: int, caught_exception: Exception | None, **_: Any) -> None:
    """Stop the retries of boto3 for a silent server; a hook of boto3."""
    if attempts >= SILENCES and caught_exception and kinds_of(caught_exception) & SILENT:
        raise caught_exception


def described(address: str, answer: dict[str, Any]) -> Entry:
    """Return the entry of a HEAD response; StorageError for missing headers."""
    if answer.get("ContentLength") is None:
        raise StorageError(f"{address}: {_NOT_S3}: it has no Content-Length")
    if not answer.get("ETag"):
        raise StorageError(f"{address}: {_NOT_S3}: it has no ETag")
    return Entry(address, int(answer["ContentLength"]), answer["ETag"])


def checked(address: str, answer: dict[str, Any], wanted: str | None) -> tuple[int, Entry]:
    """Check the headers of a GET response against the request, before its body is read.

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
    """Return whether a response was cut in its headers: no length, not chunked."""
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    return answer.get("ContentLength") is None and "transfer-encoding" not in headers


_NOT_S3 = "this is not an answer of a server of buckets"


def code_of(error: Exception) -> str:
    """Return the error code of the server, or ``''``."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def kinds_of(error: Exception) -> set[str]:
    """Name the classes of an error."""
    return {kind.__name__ for kind in type(error).__mro__}


def _said(error: Any, verb: str) -> Answer:
    """Return the error of a response of the server."""
    code, status = code_of(error), error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return NotFoundError, "the bucket does not exist"
    if code in _NOT_FOUND:
        return NotFoundError, "no such file"
    if code in _UNKNOWN:
        return DeniedError, f"the server does not know these credentials or their secret ({code})"
    if code in _EXPIRED:
        return DeniedError, f"these credentials have expired ({code})"
    if code in _FORBIDDEN or status == 403:
        return DeniedError, f"these credentials do not allow to {verb} it ({code})"
    if code in ("PreconditionFailed", "412"):
        return StorageError, "was replaced while it was read; read it again"
    if code in _BUSY or status == 503:
        return StorageError, f"the server is too busy to {verb} it, {_tried(error)} ({code})"
    return StorageError, f"cannot {verb} it, {_tried(error)}: the server answers {status} {code}"


def _tried(error: Any) -> str:
    times = error.response["ResponseMetadata"].get("RetryAttempts", 0) + 1
    return "asked once" if times == 1 else f"asked {times} times"


def _unsaid(error: Exception, verb: str, host: str) -> Answer:
    """Return the error of a request without a response."""
    kinds = kinds_of(error)
    if any("redential" in kind or "Token" in kind or "Profile" in kind for kind in kinds):
        return DeniedError, f"cannot {verb} it: {_keyless(error, kinds)}"
    if "ResponseParserError" in kinds or isinstance(error, _NONSENSE):
        return StorageError, f"cannot {verb} it: {_NOT_S3} ({type(error).__name__})"
    if "PaginationError" in kinds:
        return StorageError, f"cannot {verb} it: the server's list of names does not end"
    if kinds & SILENT or kinds & {"ConnectionError", "ConnectionClosedError"}:
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
        return f"unknown profile {getattr(error, 'kwargs', {}).get('profile')!r} in ~/.aws"
    return f"the credentials that are found do not work ({type(error).__name__})"
