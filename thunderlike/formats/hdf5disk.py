"""The files that HDF5 writes into. When the disk is full, they let HDF5 close in peace.

HDF5 keeps what it could not write and tries again whenever anything is closed, to the end of the
process, and crashes there. So it never learns of it: after the first failure all that it writes is
dropped, the writer asks `check` between values, and stops.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Disk"]


class Disk(io.FileIO):
    """A file for h5py's driver of file objects.

    Attributes
    ----------
    failure : OSError or None
        The first that there was.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+b")
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, unless that has failed already."""
        view, done = memoryview(data), 0
        try:
            while done < view.nbytes and self.failure is None:
                done += super().write(view[done:])
        except OSError as error:
            self.failure = error
        return view.nbytes

    def truncate(self, size: int | None = None) -> int:
        """Set the length, as :meth:`write` writes."""
        try:
            return super().truncate(size) if self.failure is None else (size or 0)
        except OSError as error:
            self.failure = error
            return size or 0

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self.failure is not None:
            raise self.failure

    def commit(self) -> None:
        """Make the changes those of the file: here they are already."""
        self.check()
