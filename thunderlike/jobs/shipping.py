"""What a cluster needs besides a job: this package in a zip, or a whole environment in an archive.

Both are made once for what is in them, and kept among the caches of the user: a line that was
printed yesterday still works.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
import uuid
import zipfile
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any

import thunderlike
from thunderlike._lazy import optional
from thunderlike.config import home
from thunderlike.errors import StorageError, ThunderlikeError
from thunderlike.progress import track
from thunderlike.storage.filesystem import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["archive", "cache", "environment", "package"]

_LEFT_OUT = ("__pycache__", ".pyc", ".md")
_OF_THE_CLUSTER = ("pyspark", "py4j")  # brings its own, half a gigabyte of it
_THEN = (1980, 1, 1, 0, 0, 0)  # a zip of the same files has the same bytes


def cache() -> Path:
    """The folder where archives are kept: ``$XDG_CACHE_HOME/thunderlike``, else in ``~/.cache``.

    For a user without a home, a folder for temporary files, with the number of the user in its
    name.

    Raises
    ------
    StorageError
        When another user may write in that folder: what is kept there runs on a cluster.
    """
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "thunderlike"
    if (folder := home()) and os.access(folder, os.W_OK | os.X_OK):
        return folder / ".cache" / "thunderlike"
    kept = Path(tempfile.gettempdir()) / f"thunderlike-cache-{os.getuid()}"
    with suppress(FileExistsError), failures(str(kept), "make"):
        kept.mkdir(mode=0o700)
    found = kept.lstat()
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StorageError(f"{kept}: others may write there; set XDG_CACHE_HOME to another folder")
    return kept


def package() -> Path:
    """Make a zip of this package, as ``--py-files`` takes it, unless it is there.

    Returns
    -------
    Path
        In :func:`cache`; its name tells the version and what is in it.

    Raises
    ------
    StorageError
        When nothing can be written there.
    """
    data = _zip(Path(thunderlike.__file__).parent)
    name = f"thunderlike-{thunderlike.__version__}-{_short(data)}.zip"
    return _kept(name, lambda file: file.write_bytes(data))


def environment(prefix: str | None = None) -> Path:
    """Make an archive of a Python environment, as ``--archives`` takes it, unless it is there.

    Parameters
    ----------
    prefix : str, optional
        Of a virtual environment or one of conda; by default the one that runs this.

    Returns
    -------
    Path
        A ``.tar.gz`` in :func:`cache`; its name tells what is installed. Spark is left out: a
        cluster brings its own.

    Raises
    ------
    MissingExtra
        Without venv-pack; for an environment of conda, without conda-pack.
    StorageError
        When the environment cannot be packed, or nothing can be written.

    Notes
    -----
    Takes a minute for a gigabyte, as an event of progress. A virtual environment has no Python of
    its own: that of which it was made must be at the same path on every machine. One of conda is
    complete.
    """
    root = Path(prefix or sys.prefix)
    conda = (root / "conda-meta").is_dir()
    library = optional("conda_pack" if conda else "venv_pack", extra="submit")
    env: Any = library.CondaEnv if conda else library.Env

    def pack(file: Path) -> None:
        try:
            ignored = {"ignore_editable_packages": True, "ignore_missing_files": True}
            found = env.from_prefix(str(root), **ignored) if conda else env(str(root))
            for left in _OF_THE_CLUSTER:
                found = found.exclude(f"*/site-packages/{left}/*")
            with track("packing the environment", 1) as work, _room_for_drafts(file.parent):
                found.pack(str(file), format="tar.gz", force=True)
                work.advance(1)
        except Exception as error:  # of whichever library it was
            raise StorageError(f"{root}: cannot be packed: {error}") from error

    return _kept(archive(prefix).name, pack)


def archive(prefix: str | None = None) -> Path:
    """Where :func:`environment` puts its archive; it may not be there yet."""
    root = Path(prefix or sys.prefix)
    return cache() / f"environment-{root.name.strip('.')}-{_short(_installed(root))}.tar.gz"


@contextmanager
def _room_for_drafts(folder: Path) -> Iterator[None]:
    """Have a library's temporary files made where they are removed even after Ctrl-C."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=folder) as room:
        tempfile.tempdir = room
        try:
            yield
        finally:
            tempfile.tempdir = before


def _zip(folder: Path) -> bytes:
    """The bytes of a zip of all files that a worker may want, below the folder's name."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder.parent)
            if path.is_file() and not any(left in str(name) for left in _LEFT_OUT):
                info = zipfile.ZipInfo(str(name), _THEN)
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _installed(root: Path) -> bytes:
    """What is in an environment, by name and version."""
    folders = [str(found) for found in root.glob("lib/python*/site-packages")]
    found = metadata.distributions(path=folders)
    named = sorted(f"{one.metadata['Name']} {one.version}" for one in found)
    return "\n".join([str(root), sys.version, *named]).encode()


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _kept(name: str, make: Callable[[Path], Any]) -> Path:
    """The file of this name in the cache, made whole or not at all."""
    file = cache() / name
    partial = file.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        if file.exists():
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        make(partial)
        return partial.replace(file)
    except ThunderlikeError:
        raise
    except OSError as error:
        raise StorageError(
            f"{file}: cannot be made: {error}; another XDG_CACHE_HOME may help"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()
