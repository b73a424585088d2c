"""Downloads over HTTP: resumed, verified by md5, complete or absent."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING

from thunderlike.datasets.verification import file_digest
from thunderlike.errors import DownloadError, NotFoundError, VerifyError
from thunderlike.progress import track
from thunderlike.storage.filesystem import check_special, destination, keep_mode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from thunderlike.progress import Tracker

__all__ = ["Source", "download", "locate", "verify"]

_STEP = 2**20
_TRIES = 5  # connections before giving up


@dataclass(frozen=True)
class Source:
    """File or folder that a set is made from.

    Parameters
    ----------
    path : str
        Path in the folder of downloads.
    md5 : str, optional
        Checksum of the file; without one its images are decoded as a check.
    url : str, optional
        Address of the file; without one it must be downloaded by hand.

    Examples
    --------
    >>> source = Source("train.zip", md5="900150983cd24fb0d6963f7d28e17f72")
    >>> source.path, source.url  # without a URL, downloaded by hand
    ('train.zip', None)
    """

    path: str
    md5: str | None = None
    url: str | None = None


def locate(
    sources: Mapping[str, Source], indir: Path, *, check: bool = True, manual: str = ""
) -> dict[str, Path]:
    """Find files in a folder, and download missing ones that have a URL.

    Parameters
    ----------
    sources : mapping
        Files by short names.
    indir : Path
        Folder of downloads; created if it does not exist.
    check : bool
        Compare the md5 of existing files; that of downloaded ones is always compared.
    manual : str
        Instructions for files without a URL, for the error.

    Raises
    ------
    NotFoundError
        For a missing file without a URL; raised before anything is downloaded.
    VerifyError, DownloadError
        As :func:`verify` and :func:`download`.
    """
    # Before any download: hours of them would be wasted if a file must be fetched by hand.
    for source in sources.values():
        if source.url is None and not (indir / source.path).exists():
            how = f": {manual}" if manual else ""
            raise NotFoundError(f"{indir / source.path}: no such file; download it by hand{how}")
    for source in sources.values():
        path = indir / source.path
        if not path.exists() and source.url is not None:
            download(source.url, path, source.md5)
        elif check and source.md5:
            verify(path, source.md5)
    return {name: indir / source.path for name, source in sources.items()}


def verify(path: Path, md5: str) -> None:
    """Compare the md5 of a file.

    Raises
    ------
    VerifyError
        For another md5.
    NotFoundError
        For a missing file.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file")
    with track(f"verifying {path.name}", path.stat().st_size, "bytes") as work:
        found = file_digest(path, "md5", lambda done, _: work.reach(done))
    if found != md5:
        raise VerifyError(f"{path}: has the md5 {found}, expected {md5}; download the file again")


def download(url: str, path: Path, md5: str | None = None, *, tries: int = _TRIES) -> None:
    """Download a file, resuming an interrupted transfer.

    Bytes are written to ``NAME.part``, which is renamed once it is complete and its md5 is correct.
    A part of an earlier call is resumed only with an md5: without one it may be of another file.

    Parameters
    ----------
    url : str
        Address of the file. For ``https`` the certificate of the server is verified, and
        redirections to ``http`` are refused.
    path : Path
        Target; its folder is created.
    md5 : str, optional
        Expected checksum.
    tries : int
        Number of connections before giving up.

    Raises
    ------
    DownloadError
        For a failed transfer, also when the server returns an HTML page instead of a file.
    VerifyError
        For another md5; the partial file is removed.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url}: only http and https addresses are downloaded")
    destination(path)  # refuse a folder or a device before a long transfer
    part = path.with_name(path.name + ".part")
    check_special(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    if md5 is None:
        part.unlink(missing_ok=True)
    with track(f"downloading {path.name}", 0, "bytes") as work:
        for left in reversed(range(tries)):
            try:
                if _transfer(url, part, work):
                    break
            except (OSError, HTTPException) as error:
                _raise_if_final(url, path, error, last=left == 0)
        else:
            raise DownloadError(
                f"{url}: the connection was interrupted {tries} times; run it again to resume"
            )
    _publish(part, path, md5)


def _transfer(url: str, part: Path, work: Tracker) -> bool:
    """Append missing bytes to a partial file; False if the connection ended too early."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "thunderlike", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # addresses of sets
    try:
        answer = urllib.request.urlopen(  # noqa: S310
            request, timeout=60, context=ssl.create_default_context()
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # no bytes follow those of the part: it is complete
            return True
        raise
    with answer:
        if url.startswith("https:") and not answer.url.startswith("https:"):
            raise DownloadError(f"{url}: redirects to {answer.url}, which is not encrypted")
        if answer.headers.get_content_type() == "text/html":
            raise DownloadError(
                f"{url}: returns an HTML page instead of a file; open it in a browser and save the "
                "file"
            )
        # A server without ranges answers 200, and sends the file from its start.
        have = have if answer.status == 206 else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with part.open("ab" if have else "wb") as file:
            while data := answer.read(_STEP):
                file.write(data)
                have += len(data)
                work.reach(have, total)
    return have >= total  # a server that states no length ends the file by closing


def _raise_if_final(url: str, path: Path, error: Exception, *, last: bool) -> None:
    """Raise DownloadError where another attempt cannot succeed."""
    cause = getattr(error, "reason", None)
    # Errors from 500 on are the server's, and may pass; others will be the same again.
    refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
    hopeless = refused or isinstance(cause, ssl.SSLError) or isinstance(error, DownloadError)
    if isinstance(error, DownloadError):
        raise error
    if last or hopeless:
        raise DownloadError(
            f"{url}: download failed: {error}; save it by hand as {path}"
        ) from error


def _publish(part: Path, path: Path, md5: str | None) -> None:
    """Verify a complete part and rename it to its final name."""
    if md5:
        try:
            verify(part, md5)
        except VerifyError as error:
            part.unlink()
            raise VerifyError(f"{path}: the download {str(error).split(': ', 1)[1]}") from None
    place, old = destination(path)
    if old is not None:
        keep_mode(part, old)
    part.replace(place)
