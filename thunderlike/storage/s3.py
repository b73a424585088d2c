"""S3 store, for Amazon S3 and compatible servers. The one module that uses boto3."""

from __future__ import annotations

import io
import os
import re
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from thunderlike._lazy import optional
from thunderlike.config import MIB, current
from thunderlike.errors import ConfigError, DeniedError, NotFoundError, SpecError, StorageError
from thunderlike.parallel.threads import tmap
from thunderlike.storage._s3_responses import (
    BROKEN_OFF,
    PATIENCE,
    SILENCES,
    SILENT,
    answers,
    checked,
    code_of,
    complete,
    described,
    headless,
    kinds_of,
    patient,
)
from thunderlike.storage.base import Address, Credentials, Entry, replaced
from thunderlike.storage.object_store import THREADS, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from thunderlike.storage.base import Store

__all__ = ["S3Store"]

PART: Final = 16 * MIB  # larger objects go in parts of this size, several at once
LARGEST_COPY: Final = 2**30  # that the server makes in one request, within our patience
REST: Final = 5  # seconds in which a server that was given up is not asked again
LISTINGS: Final = 3  # of a folder that changes between two pages of its names
READS: Final = 4  # of an object whose connection breaks off
ATTEMPTS: Final = 6  # the waits between them grow to some 15 s together
BATCH: Final = 1000  # as many names as one request may list, or ask to remove
_NAMES = ("access", "secret", "token", "endpoint_url", "anon", "region", "profile")


@dataclass(frozen=True)
class S3Store(ObjectStore):
    """``s3://bucket/key`` addresses, which may also begin with ``s3a://`` or ``s3n://``.

    Without credentials boto3 looks for them where every tool of Amazon's does: environment,
    profiles, roles; also on each worker. `credentials=` of the readers and writers takes

    - ``access`` and ``secret``, and ``token`` for keys that expire,
    - or ``profile``, a name in ``~/.aws``,
    - or ``anon=True`` for buckets that are open to all;
    - ``endpoint_url``, the server to ask, such as ``http://localhost:9000``; else the setting of
      that name, else ``AWS_ENDPOINT_URL_S3``, else Amazon's own;
    - ``region``.

    Parameters
    ----------
    credentials : Credentials
        Those, without the endpoint.
    endpoint_url : str, optional
        The server to ask.

    Notes
    -----
    One client for each process and credentials, sixteen connections, retries after waits that grow.
    Whole objects of up to 16 MiB are one request, larger ones go in parts.
    """

    credentials: Credentials = field(default_factory=Credentials)
    endpoint_url: str | None = None

    scheme: ClassVar[str] = "s3"

    @classmethod
    def opened(cls, scheme: str, credentials: Credentials) -> Store:  # noqa: ARG003
        """Check the names of the credentials; resolve the server once, on the driver."""
        _check(credentials)
        keys = {name: value for name, value in credentials.items() if name != "endpoint_url"}
        return cls(Credentials(keys), _open(credentials.get("endpoint_url") or _endpoint()))

    def list(self, path: str, *, recursive: bool) -> Sequence[Entry]:
        """List the objects of a folder at one moment: one request per thousand.

        A listing of several pages takes a while. The first page is asked for again after the last:
        who replaces a folder begins and ends by changing it. When it differs, the folder is listed
        again.
        """
        address = self.address(path)
        bucket, _ = _parts(address)
        for _ in range(LISTINGS):
            pages = list(self._pages(address, recursive=recursive))
            if len(pages) < 2:
                break
            if _names(next(self._pages(address, recursive=recursive))) == _names(pages[0]):
                break
        else:
            raise StorageError(f"{path}: was replaced while it was listed; list it again")
        listed = [one for page in pages for one in page.get("Contents", ())]
        found = listed or any(page.get("CommonPrefixes") for page in pages)  # not all have KeyCount
        if not found and not _is_bucket(address):
            raise NotFoundError(f"{path}: no such file or folder")
        # Some tools make an object of no bytes for each folder.
        return [self._entry(bucket, one) for one in listed if not one["Key"].endswith("/")]

    def stat(self, path: str) -> Entry:
        """Describe one object."""
        address = self.address(path)
        bucket, key = _parts(address)
        if not key:
            raise NotFoundError(f"{path}: is a bucket, not a file")
        with self._asking(address, "look at"):
            return described(address, self._head(bucket, key))

    def read(self, path: str) -> bytes:
        """Read an object in one request, or one for each part of a large object."""
        return self.fetch(path)[0]

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Read a range of an object."""
        return self.fetch(path, start, length)[0]

    def fetch(
        self, path: str, start: int = 0, length: int | None = None, identity: str | None = None
    ) -> tuple[bytes, Entry]:
        """Read a range, or to the end, and return the version it belongs to."""
        address = self.address(path)
        wanted = {} if identity is None else {"IfMatch": identity}
        with self._asking(address, "read"):
            if start == 0 and length is None:
                return self._body(address, **wanted)
            if length == 0:
                return b"", self._still(self.stat(address), identity)
            last = "" if length is None else start + length - 1
            try:
                return self._body(address, Range=f"bytes={start}-{last}", **wanted)
            except Exception as error:
                if code_of(error) in ("InvalidRange", "416"):  # it ends before
                    return b"", self._still(self.stat(address), identity)
                raise

    def write(self, path: str, data: bytes) -> None:
        """Upload an object, in parts if large; visible once complete."""
        address = self.address(path)
        bucket, key = _parts(address)
        with self._asking(address, "write"):
            if len(data) <= PART:
                self._client.put_object(Bucket=bucket, Key=key, Body=bytes(data))
            else:
                self._client.upload_fileobj(io.BytesIO(data), bucket, key, Config=_transfer())

    def send(self, path: str, file: Path) -> None:
        """Upload a local file, in parts if large, without holding it in memory."""
        address = self.address(path)
        bucket, key = _parts(address)
        with self._asking(address, "write"):
            self._client.upload_file(str(file), bucket, key, Config=_transfer())

    @property
    def _client(self) -> Any:
        return _client(self)

    @contextmanager
    def _asking(self, address: str, verb: str) -> Iterator[None]:
        """Send a request, unless the server was silent a moment ago."""
        if time.monotonic() < _silent_until.get(self.endpoint_url, 0):
            raise StorageError(f"{address}: cannot {verb} it: the server was silent a moment ago")
        try:
            with answers(address, verb, self.endpoint_url):
                yield
        except StorageError as error:
            if isinstance(error.__cause__, Exception) and kinds_of(error.__cause__) & SILENT:
                _silent_until[self.endpoint_url] = time.monotonic() + REST
            raise

    def _head(self, bucket: str, key: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.head_object(Bucket=bucket, Key=key)
        except Exception as error:
            # The answer to HEAD has no room for a reason, this one has.
            if code_of(error) not in ("", "404"):
                self._client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
            raise
        return answer

    def _body(self, address: str, **wanted: str) -> tuple[bytes, Entry]:
        """Request an object, with retries for broken connections."""
        bucket, key = _parts(address)
        for left in reversed(range(READS)):
            answer = self._client.get_object(Bucket=bucket, Key=key, **wanted)
            with closing(answer["Body"]) as body:
                if left and headless(answer):
                    continue
                size, entry = checked(address, answer, wanted.get("Range"))
                parts = size > 2 * PART and "Range" not in wanted
                try:
                    data: bytes = b"" if parts else body.read()
                except Exception as error:
                    silent = kinds_of(error) & SILENT and READS - left >= SILENCES
                    if not left or silent or not kinds_of(error) & BROKEN_OFF:
                        raise
                    continue
            if parts:
                return self._large(entry), entry
            if len(data) == size:
                return data, entry
        raise StorageError(f"{address}: its end never came, asked {READS} times")

    def _large(self, entry: Entry) -> bytes:
        """Read several parts concurrently into one buffer."""
        whole = io.BytesIO(bytes(entry.size))
        match = {"IfMatch": entry.identity} if entry.identity else {}

        def fill(start: int) -> None:
            stop = min(start + PART, entry.size)
            whole_view[start:stop], _ = self._body(
                entry.path, Range=f"bytes={start}-{stop - 1}", **match
            )

        with whole.getbuffer() as whole_view:
            for _ in tmap(fill, range(0, entry.size, PART), workers=self.threads):
                pass
        return whole.getvalue()

    @staticmethod
    def _still(entry: Entry, identity: str | None) -> Entry:
        if identity not in (None, entry.identity):
            raise replaced(entry.path)
        return entry

    def _pages(self, address: str, *, recursive: bool, **limits: int) -> Iterator[dict[str, Any]]:
        """List the names of a folder page by page."""
        if self._is_root(address):
            raise StorageError("s3://: holds buckets, not files; name one: s3://bucket")
        bucket, key = _parts(address)
        with self._asking(address, "list"):
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket,
                Prefix=f"{key}/" if key else "",
                Delimiter="" if recursive else "/",
                PaginationConfig={"PageSize": BATCH, **limits},
            )

    def _entry(self, bucket: str, listed: dict[str, Any]) -> Entry:
        path = Address(f"s3://{bucket}/{listed['Key']}", self)
        return Entry(path, listed["Size"], listed.get("ETag"))

    def _has_below(self, address: str) -> bool:
        pages = self._pages(address, recursive=True, MaxItems=1, PageSize=1)
        return any(page.get("Contents") or _is_bucket(address) for page in pages)

    def _copy(self, entry: Entry, target: str) -> None:
        source_bucket, source = _parts(entry.path)
        bucket, key = _parts(target)
        origin = {"Bucket": source_bucket, "Key": source}
        with self._asking(target, "write"):
            if entry.size <= LARGEST_COPY:
                self._client.copy_object(CopySource=origin, Bucket=bucket, Key=key)
            else:
                self._client.copy(origin, bucket, key, Config=_transfer(16 * PART))

    def _remove(self, addresses: Iterable[str]) -> None:
        """Remove objects of one bucket, a thousand per request."""
        left = list(addresses)
        while left:
            batch, left = left[:BATCH], left[BATCH:]
            keys = [{"Key": _parts(address)[1]} for address in batch]
            wanted = {"Objects": keys, "Quiet": True}
            with self._asking(batch[0], "remove"):
                answer = self._client.delete_objects(Bucket=_parts(batch[0])[0], Delete=wanted)
            for failed in answer.get("Errors", []):
                kind = DeniedError if failed["Code"] == "AccessDenied" else StorageError
                name = f"{self.scheme}://{_parts(batch[0])[0]}/{failed['Key']}"
                raise kind(f"{name}: cannot remove it ({failed['Code']})")


def _parts(address: str) -> tuple[str, str]:
    """Split an address into bucket and key."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def _names(page: dict[str, Any]) -> tuple[Any, Any]:
    """Return the objects and folders of a page, with version and time of each object."""
    return page.get("Contents"), page.get("CommonPrefixes")


def _is_bucket(address: str) -> bool:
    return not _parts(address)[1]


def _check(credentials: Credentials) -> None:
    """Reject unknown names of credentials, and half a pair of keys."""
    for name in credentials:
        if name not in _NAMES:
            raise SpecError(f"credentials: no {name!r} here; there are {', '.join(_NAMES)}")
    if ("access" in credentials) != ("secret" in credentials):
        raise SpecError("credentials: give both 'access' and 'secret', or neither")
    if "token" in credentials and "access" not in credentials:
        raise ConfigError(
            "credentials: 'token' goes with the 'access' and 'secret' it was issued with: give all "
            "three"
        )


def _endpoint() -> str | None:
    """Return the endpoint of this process, for the workers to use."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    given = (current().endpoint_url, *(os.environ.get(name) for name in names))
    return next(filter(None, given), None)


def _open(endpoint: str | None) -> str | None:
    """Reject a password in an endpoint, which errors and logs would show."""
    if not endpoint:
        return None
    if "@" in endpoint:
        raise SpecError("endpoint_url: holds a name or password before an '@'; give access, secret")
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        port, parts = 0, urlsplit("")
    host = re.fullmatch(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", parts.netloc)
    known = parts.scheme in ("http", "https") and host is not None and port != 0
    if not known:
        raise ConfigError(
            f"endpoint_url={endpoint!r}: is not the address of a server: it is like "
            "'https://host:port'"
        )
    return endpoint


_clients: dict[Any, Any] = {}
_silent_until: dict[str | None, float] = {}  # by server
_lock = threading.Lock()

# What boto3's search for credentials depends on: who changes it in a notebook gets a new client.
_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
)


def _client(store: S3Store) -> Any:
    """Return the client of this process for this store, shared by threads."""
    key = (store, *(os.environ.get(name) for name in _ENVIRONMENT))
    if key not in _clients:
        with _lock:  # making one is not safe in threads, using it is
            if key not in _clients:
                _clients[key] = _made(store)
    return _clients[key]


def _made(store: S3Store) -> Any:
    keys = store.credentials
    session = optional("boto3", extra="s3").session.Session(
        aws_access_key_id=keys.get("access"),
        aws_secret_access_key=keys.get("secret"),
        aws_session_token=keys.get("token"),
        profile_name=keys.get("profile"),
        region_name=keys.get("region"),
    )
    settings = {"signature_version": _module("botocore").UNSIGNED} if keys.get("anon") else {}
    config = _module("botocore.config").Config(
        max_pool_connections=THREADS,
        retries=_retries(),
        connect_timeout=10,
        read_timeout=PATIENCE,
        tcp_keepalive=True,
        # Servers that speak like S3 often do not know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **settings,
    )
    client = session.client("s3", endpoint_url=store.endpoint_url, config=config)
    client.meta.events.register("after-call.s3", complete)
    client.meta.events.register_first("needs-retry.s3", patient)
    return client


def _retries() -> dict[str, Any]:
    """Retry settings of boto3, from its environment variables."""
    mode = os.environ.get("AWS_RETRY_MODE", "standard")
    if mode not in ("standard", "adaptive", "legacy"):
        raise ConfigError(
            f"the environment: AWS_RETRY_MODE is 'standard', 'adaptive' or 'legacy', not {mode!r}"
        )
    given = os.environ.get("AWS_MAX_ATTEMPTS", str(ATTEMPTS))
    if not given.isdecimal() or int(given) < 1:
        raise ConfigError(
            f"the environment: AWS_MAX_ATTEMPTS must be a whole number >= 1, not {given!r}"
        )
    return {"mode": mode, "total_max_attempts": int(given)}


def _transfer(part: int | None = None) -> Any:
    """Settings of multipart uploads and copies."""
    settings = _module("boto3.s3.transfer").TransferConfig
    return settings(
        multipart_threshold=PART, multipart_chunksize=part or PART, max_concurrency=THREADS
    )


def _module(name: str) -> Any:
    return optional(name, extra="s3")


def _forget() -> None:
    """Make a forked child open its own connections."""
    global _lock  # noqa: PLW0603  # the parent's may be held by a thread that the child has not
    _clients.clear()
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)
