"""Downloads."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from thunderlike.datasets.verification import file_digest
from thunderlike.errors import DownloadError, NotFoundError, VerifyError
from thunderlike.progress import track
from thunderlike.storage.filesystem import check_special, destination, keep_mode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Source", "download", "locate", "verify"]

_STEP = 2**20
_TRIES = 5  # connections that may be cut, one after the other


@dataclass(frozen=True)
class Source:
    """A file, or a folder, that a set is made from.

    Parameters
    ----------
    path : str
        Where it is looked for, in the folder of downloads.
    md5 : str, optional
        Of the file; without one it cannot be verified, and its images are decoded instead.
    url : str, optional
        Where it is fetched; without one it has to be fetched by hand.

    Examples
    --------
    >>> source = Source("train.zip", md5="900150983cd24fb0d6963f7d28e17f72")
    >>> source.path, source.url  # without an address, fetched by hand
    ('train.zip', None)
    """

    path: str
    md5: str | None = None
    url: str | None = None


def locate(
    sources: Mapping[str, Source], indir: Path, *, check: bool = True, manual: str = ""
) -> dict[str, Path]:
    """Find files in a folder, and fetch those that are missing and have an address.

    Parameters
    ----------
    sources : mapping
        Files by short names.
    indir : Path
        The folder; made when it is not there.
    check : bool
        Compare the md5 of files that were there already; fetched ones always are.
    manual : str
        How to get files that have no address, for the message.

    Raises
    ------
    NotFoundError
        For a file to be fetched by hand; before anything is fetched.
    VerifyError, DownloadError
        As :func:`verify` and :func:`download`.
    """
    for source in sources.values():
        if source.url is None and not (indir / source.path).exists():
            how = f": {manual}" if manual else ""
            raise NotFoundError(f"{indir / source.path}: is not there, and is fetched by hand{how}")
    for source in sources.values():
        path = indir / source.path
        if not path.exists() and source.url is not None:
            download(source.url, path, source.md5)
        elif check and source.md5:
            verify(path, source.md5)
    return {name: indir / source.path for name, source in sources.items()}


def verify(path: Path, md5: str) -> None:
    """Compare the md5 of a file, in one pass over it.

    Raises
    ------
    VerifyError
        When it is another.
    NotFoundError
        When there is no such file.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    with track(f"verifying {path.name}", path.stat().st_size, "bytes") as work:
        found = file_digest(path, "md5", lambda done, _: work.reach(done))
    if found != md5:
        raise VerifyError(f"{path}: has the md5 {found}, not {md5}; get the file anew")


def download(url: str, path: Path, md5: str | None = None, *, tries: int = _TRIES) -> None:
    """Fetch a file, going on where an earlier attempt was cut.

    The bytes go to ``NAME.part``; the file has its name once it is whole and has its md5. Only
    with an md5 is an old part gone on with: without, nobody could tell if it is of the same file.

    Parameters
    ----------
    url : str
        Of the file. For ``https`` the server's certificate is checked, and it may not send us on
        to a place without one.
    path : Path
        Where to; the folder is made.
    md5 : str, optional
        Of the file.
    tries : int
        Connections that may be cut without bringing anything, before giving up.

    Raises
    ------
    DownloadError
        When it cannot be fetched, also when a page comes in place of a file.
    VerifyError
        For another md5; what was fetched is removed.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url}: only http and https addresses are fetched")
    destination(path)  # before hours of fetching: a folder or a device is not replaced
    part = path.with_name(path.name + ".part")
    check_special(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    if md5 is None:
        part.unlink(missing_ok=True)
    with track(f"fetching {path.name}", 0, "bytes") as work:
        for left in reversed(range(tries)):
            try:
                if _fetched(url, part, work):
                    break
            except (OSError, HTTPException) as error:
                _judged(url, path, error, last=left == 0)
        else:
            raise DownloadError(f"{url}: was cut {tries} times; run it again to go on")
    _accepted(part, path, md5)


def _fetched(url: str, part: Path, work: Any) -> bool:
    """Fetch what is missing; False when the connection ended before the file did."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "thunderlike", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # addresses of sets
    try:
        answer = urllib.request.urlopen(  # noqa: S310
            request, timeout=60, context=ssl.create_default_context()
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # there is nothing after what we have: it is whole
            return True
        raise
    with answer:
        _a_file(url, answer)
        have = have if answer.status == 206 else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with part.open("ab" if have else "wb") as file:
            while data := answer.read(_STEP):
                file.write(data)
                have += len(data)
                work.reach(have, total)
    return have >= total


def _a_file(url: str, answer: Any) -> None:
    if url.startswith("https:") and not answer.url.startswith("https:"):
        raise DownloadError(f"{url}: sends on to {answer.url}, which is not encrypted")
    if answer.headers.get_content_type() == "text/html":
        raise DownloadError(
            f"{url}: answers with a page, not with a file; open it in a browser and save the file"
        )


def _judged(url: str, path: Path, error: Exception, *, last: bool) -> None:
    """Raise what another try cannot mend."""
    cause = getattr(error, "reason", None)
    refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
    hopeless = refused or isinstance(cause, ssl.SSLError) or isinstance(error, DownloadError)
    if isinstance(error, DownloadError):
        raise error
    if last or hopeless:
        raise DownloadError(
            f"{url}: cannot be fetched: {error}; save it by hand as {path}"
        ) from error


def _accepted(part: Path, path: Path, md5: str | None) -> None:
    if md5:
        try:
            verify(part, md5)
        except VerifyError as error:
            part.unlink()
            raise VerifyError(f"{path}: what was fetched {str(error).split(': ', 1)[1]}") from None
    place, old = destination(path)
    if old is not None:
        keep_mode(part, old)
    part.replace(place)
