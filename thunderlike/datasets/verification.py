"""Verification of datasets and their checksums."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from thunderlike import storage
from thunderlike.datasets import index as indices
from thunderlike.datasets import publication
from thunderlike.datasets._data_file import hasher
from thunderlike.errors import CorruptDatasetError, CorruptSampleError, NotFoundError
from thunderlike.progress import progress as shown
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike.storage import AnyPath

__all__ = ["Report", "Verifiable", "check_samples", "digests_of", "file_digest", "verify"]

_STEP = 8 * 2**20  # bytes read at once


class Verifiable(Protocol):
    """Reader of a dataset whose files are compared with their hashes."""

    _size: int  # bytes of the data file that are samples

    @property
    def path(self) -> str:
        """Address of the data file."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def items(self) -> Iterator[tuple[str, Any]]:
        """Iterate over keys and samples."""


@dataclass
class Report:
    """Result of a verification or check of a dataset.

    Attributes
    ----------
    path : str
        Path of the data file.
    samples : int
        Number of samples.
    checked : list of str
        Files that are as expected.
    faults : list of str
        Faults, one sentence each.

    Examples
    --------
    >>> report = Report("pets.msgpack", samples=2)
    >>> report.note("pets.msgpack.index")
    >>> report.ok, report.checked
    (True, ['pets.msgpack.index'])
    >>> report.note("pets.msgpack", fault="pets.msgpack: ends too early")
    >>> report.ok, report.faults
    (False, ['pets.msgpack: ends too early'])
    """

    path: str
    samples: int = 0
    checked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True without faults."""
        return not self.faults

    def note(self, what: str, fault: str = "") -> None:
        """Record a check, and its fault if any."""
        if fault:
            self.faults.append(fault)
        else:
            self.checked.append(what)


def verify(
    reader: Verifiable,
    *,
    data: bool = True,
    index: bool = True,
    samples: bool = False,
    progress: Callable[[int, int], None] | bool | None = None,
) -> Report:
    """Compare files with their hashes; see :meth:`MsgpackReader.verify`."""
    report = Report(reader.path, len(reader))
    digest, wanted = digests_of(reader.path)
    own = reader.path.rpartition("/")[2]
    names = [name for name in wanted if (data if name == own else index)]
    folder = storage.parent(reader.path)
    for name in names:
        place = storage.within(folder, name)
        if name != own and name.startswith(own):
            # An index file that is being published has another name until it is in its place.
            with suppress(NotFoundError):
                place = publication.place(reader.path, name.removeprefix(own))
        # Samples of an unfinished append do not belong to the dataset.
        size = reader._size if name == own else None
        same = file_digest(place, digest, progress, size=size) == wanted[name]
        report.note(name, "" if same else f"{place}: its {digest} differs from the recorded one")
    if samples:
        check_samples(reader, report)
    return report


def digests_of(path: AnyPath) -> tuple[str, dict[str, str]]:
    """Load the recorded hashes of a dataset: algorithm, and hash by file name.

    Raises
    ------
    NotFoundError
        Without recorded hashes.
    CorruptDatasetError
        For a damaged file of hashes.
    """
    # The first that is there: a writer removes hashes of other algorithms.
    for digest in indices.DIGESTS:
        place = indices.sidecar(path, f".{digest}")
        try:
            text = storage.read(indices.current(path, f".{digest}"))
        except NotFoundError:
            continue
        try:
            lines = [
                line.split("  ", 1) for line in text.decode("utf-8", "surrogateescape").splitlines()
            ]
            return digest, {name: found for found, name in lines}
        except ValueError as error:
            raise CorruptDatasetError(f"{place}: not a list of hashes and names") from error
    raise NotFoundError(f"{path}: has no .md5, .sha256 or .blake2b file to compare it with")


def file_digest(
    path: AnyPath,
    digest: str = "md5",
    progress: Callable[[int, int], None] | bool | None = None,
    *,
    size: int | None = None,
) -> str:
    """Hash a file, 8 MiB at a time; ``'missing'`` for a missing one.

    Parameters
    ----------
    progress : True or callable, optional
        True shows a progress bar; a callable is called with bytes done and total bytes.
    size : int, optional
        Bytes of the file that are hashed; all by default.
    """
    try:
        there = storage.stat(path).size
    except NotFoundError:
        return "missing"  # equals no recorded hash, so that it is reported as a difference
    size = there if size is None else min(size, there)
    found = hasher(digest)
    with shown() if progress is True else nullcontext(), track(_named(path), size, "bytes") as work:
        for start in range(0, size, _STEP):
            found.update(storage.read_range(path, start, min(_STEP, size - start)))
            work.reach(min(start + _STEP, size))
            if callable(progress):
                progress(min(start + _STEP, size), size)
    return str(found.hexdigest())


def _named(path: AnyPath) -> str:
    return f"hashing {str(path).rpartition('/')[2]}"


def check_samples(reader: Verifiable, report: Report) -> None:
    """Read all samples up to the first that is damaged or has another key."""
    try:
        for number, (key, sample) in enumerate(reader.items()):
            if not isinstance(sample, dict) or sample.get("key") != key:
                report.note("", f"{reader.path}: sample {number} does not have the key {key!r}")
                return
    except CorruptSampleError as error:
        report.note("", str(error))
        return
    report.note("samples")
