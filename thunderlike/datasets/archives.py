"""Archives: zip, tar, tar.gz and folders, read by the names of their files."""

from __future__ import annotations

import tarfile
import threading
import zipfile
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from thunderlike.errors import FormatError, NotFoundError, ThunderlikeError
from thunderlike.formats.base import said
from thunderlike.formats.text import as_text
from thunderlike.storage.filesystem import check_special

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Archive", "Folder", "Member", "Tar", "Zip", "opened"]


@dataclass(frozen=True)
class Member:
    """File in an archive, read on demand."""

    archive: Archive
    name: str

    def read(self) -> bytes:
        """Read the bytes of the file."""
        return self.archive.read(self.name)


class Archive(ABC):
    """Files by name, read without unpacking to a disk; safe to use from several threads.

    Parts of names are separated by ``/``. Archives with absolute names or ``..`` are refused.

    Parameters
    ----------
    path : Path
        Path of the archive.

    Raises
    ------
    FormatError
        For a damaged archive.
    StorageError
        For a special file, such as a FIFO.
    """

    def __init__(self, path: Path) -> None:
        check_special(path)
        self.path = path

    @abstractmethod
    def _listed(self) -> list[str]:
        """List the files in the order of the archive."""

    @abstractmethod
    def _read(self, name: str) -> bytes:
        """Read an existing file."""

    @abstractmethod
    def close(self) -> None:
        """Close the archive."""

    @cached_property
    def names(self) -> list[str]:
        """Names of the files in the order of the archive, duplicates included."""
        with self._damage_named():
            found = self._listed()
        # Names become keys and paths of samples: no archive may lead programs out of a folder.
        for name in found:
            if PurePosixPath(name).is_absolute() or ".." in name.split("/"):
                self.close()
                raise FormatError(f"{self.path}: contains {name!r}, which lies outside of it")
        return found

    @cached_property
    def _known(self) -> set[str]:
        return set(self.names)  # some archives of sets have a million names

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def member(self, name: str) -> Member:
        """Return a file to read later; NotFoundError for an unknown name."""
        if name not in self:
            raise NotFoundError(f"{self.path}: has no member {name!r}; download the archive again")
        return Member(self, name)

    def ending(self, *suffixes: str) -> list[str]:
        """List the names that end with one of some suffixes."""
        return [name for name in self.names if name.endswith(suffixes)]

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises
        ------
        NotFoundError
            For an unknown name.
        FormatError
            For a damaged file.
        """
        self.member(name)
        with self._damage_named(name):
            return self._read(name)

    def stream(self) -> Iterator[tuple[str, bytes]]:
        """Yield all files in the order of the archive."""
        return ((name, self.read(name)) for name in self.names)

    def nested(self) -> Iterator[tuple[str, Iterator[tuple[str, bytes]]]]:
        """Yield the name and the files of each archive in an archive, in one pass."""
        raise FormatError(f"{self.path}: not a tar archive of tar archives")

    def lines(self, name: str) -> list[str]:
        """Read the lines of a text file, without empty ones."""
        return [
            line
            for line in as_text(self.read(name), f"{self.path}: {name}").splitlines()
            if line.strip()
        ]

    @contextmanager
    def _damage_named(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except ThunderlikeError:
            raise
        except Exception as error:  # the standard library raises nearly any class for damage
            self.close()  # the next use opens the archive again
            at = f" at {name!r}" if name else ""
            raise FormatError(f"{self.path}: damaged{at}: {said(error)}; get a new copy") from error


class Zip(Archive):
    """Zip archive."""

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def _listed(self) -> list[str]:
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def _read(self, name: str) -> bytes:
        return self._zip.read(name)

    def close(self) -> None:
        """Close the file, if it was opened."""
        if "_zip" in self.__dict__:
            self.__dict__.pop("_zip").close()


class Tar(Archive):
    """Tar archive, compressed or not.

    Access by name scans the archive once; :meth:`stream` and :meth:`nested` do not.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # A tar file has one position, which threads must not move at the same time.
        self._lock = threading.RLock()

    @cached_property
    def _tar(self) -> tarfile.TarFile:
        return tarfile.open(self.path)  # closed in close()

    def _listed(self) -> list[str]:
        with self._lock:
            # Of duplicate names the last one counts, as in an unpacked archive.
            self._infos = {_plain(info): info for info in self._tar if info.isfile()}
            return [_plain(info) for info in self._tar.getmembers() if info.isfile()]

    def _read(self, name: str) -> bytes:
        with self._lock:
            return _content(self._tar, self._infos[name])

    def stream(self) -> Iterator[tuple[str, bytes]]:
        """Yield all files in one pass, in the order of the archive."""
        with self._damage_named(), tarfile.open(self.path, "r|*") as tar:
            yield from _all(tar)

    def nested(self) -> Iterator[tuple[str, Iterator[tuple[str, bytes]]]]:
        """Yield the name and the files of each archive in an archive, in one pass."""
        with self._damage_named(), tarfile.open(self.path, "r|*") as tar:
            for info in tar:
                if info.isfile():
                    yield _plain(info), self._inner(_plain(info), tar.extractfile(info))

    def _inner(self, name: str, file: IO[bytes] | None) -> Iterator[tuple[str, bytes]]:
        with self._damage_named(name), tarfile.open(fileobj=file, mode="r|") as inner:
            yield from _all(inner)

    def close(self) -> None:
        """Close the file, if it was opened."""
        if "_tar" in self.__dict__:
            self.__dict__.pop("_tar").close()


class Folder(Archive):
    """Folder, for unpacked sets, or a single file, whose name is its last part."""

    def _listed(self) -> list[str]:
        if self.path.is_file():
            return [self.path.name]
        found = (path for path in self.path.rglob("*") if path.is_file())
        # Folders have no order of their own: sorted, the same set gives the same dataset.
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def _read(self, name: str) -> bytes:
        place = self.path if self.path.is_file() else self.path / name
        return place.read_bytes()

    def close(self) -> None:
        """Do nothing: no file is open."""


def opened(path: Path) -> Archive:
    """Return the archive of a path, by its suffix; it is read on demand."""
    if path.suffix == ".zip":
        return Zip(path)
    return Tar(path) if {".tar", ".tgz"} & set(path.suffixes) else Folder(path)


def _plain(info: tarfile.TarInfo) -> str:
    return info.name.removeprefix("./")


def _all(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for info in tar:
        if info.isfile():
            yield _plain(info), _content(tar, info)


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    data = file.read() if file else b""
    if len(data) != info.size:  # `tarfile` may return less without an error
        raise tarfile.ReadError(f"{info.name} has {len(data)} bytes of {info.size}")
    return data
