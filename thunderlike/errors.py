"""Every error of the package, in one tree.

::

    ThunderlikeError
    ├ SpecError (ValueError)                    a shape, dtype, key or argument does not fit
    │ ├ WrongTypeError (TypeError)              a value of a wrong type
    │ └ UnevenSharesError (RuntimeError)        workers would get unequal numbers of batches
    ├ KeyMissingError (KeyError)                no record or name of that key
    │ └ GroupMissingError (ValueError)          no group or array of that name in an HDF5 file
    ├ BadIndexError (IndexError)                a position outside the records
    ├ StorageError (OSError)                    bytes cannot be listed, read or written
    │ ├ NotFoundError (FileNotFoundError)
    │ ├ ExistsError (FileExistsError, ValueError)
    │ ├ DeniedError (PermissionError)
    │ ├ InUseError (BlockingIOError)            another writer has the file open
    │ └ DownloadError                           a file cannot be downloaded
    ├ FormatError (ValueError)                  bytes do not match their format
    │ ├ VerifyError                             a file does not have its expected hash
    │ └ Hdf5Error (OSError)                     a damaged HDF5 file, or not an HDF5 file
    │   ├ RefusedError (PermissionError)        needs an explicit permission of the caller
    │   └ UnreadableError (NotImplementedError) a member without a Python equivalent
    ├ DatasetError (ValueError)                 files of a dataset
    │ └ CorruptDatasetError                     inconsistent files
    │   └ CorruptSampleError                    a sample that cannot be decoded
    ├ NonInteractiveError (RuntimeError)        a question without a terminal to answer it
    ├ EngineError (RuntimeError)                the engine cannot run the operation
    │ ├ NotOnEngineError (NotImplementedError)  only another engine can
    │ ├ ScratchLostError                        a scratch file was removed or cut short
    │ ├ WorkerFailedError                       a user function raised
    │ ├ TimedOutError (TimeoutError)            the time limit of the caller was exceeded
    │ └ BatchError                              a function raised on items of a batch
    ├ MissingExtraError (ImportError)           an optional library is not installed
    ├ AlreadyImportedError (ImportError)        another library has the name of an alias
    └ ConfigError (ValueError)                  an unknown or invalid setting

Each is also the builtin that a caller would try to catch. A message is one sentence that says
what was asked, what was found and what to do. All survive pickling: they cross processes.
"""

from __future__ import annotations

from typing import Any, ClassVar

from thunderlike._text import printable, without_secrets

__all__ = [
    "AlreadyImported",
    "AlreadyImportedError",
    "BadIndex",
    "BadIndexError",
    "BatchError",
    "ConfigError",
    "CorruptDatasetError",
    "CorruptSampleError",
    "DatasetError",
    "Denied",
    "DeniedError",
    "DownloadError",
    "EngineError",
    "Exists",
    "ExistsError",
    "FormatError",
    "GroupMissing",
    "GroupMissingError",
    "Hdf5Error",
    "InUse",
    "InUseError",
    "KeyMissing",
    "KeyMissingError",
    "MissingExtra",
    "MissingExtraError",
    "NonInteractiveError",
    "NotFound",
    "NotFoundError",
    "NotOnEngine",
    "NotOnEngineError",
    "Refused",
    "RefusedError",
    "ScratchLostError",
    "SpecError",
    "StorageError",
    "ThunderlikeError",
    "TimedOut",
    "TimedOutError",
    "UnevenShares",
    "UnevenSharesError",
    "Unreadable",
    "UnreadableError",
    "VerifyError",
    "WorkerFailed",
    "WorkerFailedError",
    "WrongType",
    "WrongTypeError",
]


class ThunderlikeError(Exception):
    """Base class: ``except tl.ThunderlikeError`` catches all errors of the package."""

    # A message is one line; names of files in it may hold line breaks, which are escaped.
    _kept: ClassVar[str] = ""

    def __init__(self, *args: Any) -> None:
        super().__init__(*(without_secrets(a) if isinstance(a, str) else a for a in args))

    def __str__(self) -> str:
        # KeyError and OSError print something else than their message; we always print it.
        return printable(str(self.args[0]), keep=self._kept) if self.args else ""


class SpecError(ThunderlikeError, ValueError):
    """A shape, dtype, key or argument does not fit the records."""


class WrongTypeError(SpecError, TypeError):
    """A value is of a type that cannot be stored or used there."""


class UnevenSharesError(SpecError, RuntimeError):
    """Workers that share samples would get unequal numbers of batches."""


class KeyMissingError(ThunderlikeError, KeyError):
    """No record or entry has the key."""


class GroupMissingError(KeyMissingError, ValueError):
    """The HDF5 file has no group or array of the name."""


class BadIndexError(ThunderlikeError, IndexError):
    """A position lies outside the records, or the index is not valid."""


class StorageError(ThunderlikeError, OSError):
    """Bytes could not be listed, read or written."""


class NotFoundError(StorageError, FileNotFoundError):
    """No file exists at the path, or none matches."""


class ExistsError(StorageError, FileExistsError, ValueError):
    """A file exists at the path, and overwriting was not allowed."""


class DeniedError(StorageError, PermissionError):
    """The path may not be read or written by this user."""


class InUseError(StorageError, BlockingIOError):
    """Another writer has the file open, and only one may write at a time."""


class DownloadError(StorageError):
    """A file could not be fetched."""


class FormatError(ThunderlikeError, ValueError):
    """The content of a file does not match its name or header."""


class VerifyError(FormatError):
    """A file does not have the expected checksum."""


class DatasetError(ThunderlikeError, ValueError):
    """Base class of errors about the files of a dataset."""


class CorruptDatasetError(DatasetError):
    """The files of a dataset are damaged, or do not belong together."""


class CorruptSampleError(CorruptDatasetError):
    """One sample of a dataset cannot be read.

    Attributes
    ----------
    path : str
        The file that holds it.
    index : int or None
        Its number in the dataset.
    key : str or None
        Its key, if that is known without reading it.
    offset, length : int or None
        Where its bytes are in the file.
    cause : str
        What was wrong with them.
    """

    def __init__(
        self,
        message: str,
        path: str = "",
        index: int | None = None,
        key: str | None = None,
        offset: int | None = None,
        length: int | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.path, self.index, self.key = path, index, key
        self.offset, self.length, self.cause = offset, length, cause


class NonInteractiveError(ThunderlikeError, RuntimeError):
    """A question needs an answer, and no terminal is there to ask it."""


class Hdf5Error(FormatError, OSError):
    """An HDF5 file is damaged, holds unsupported data, or is of another format."""

    # Libraries that unpickle tracebacks call `__new__` of the class; the one that the order of the
    # bases finds first refuses to make an OSError.
    __new__ = OSError.__new__  # type: ignore[assignment]


class RefusedError(Hdf5Error, PermissionError):
    """A file requires running code or reading other files, which the caller did not allow."""


class UnreadableError(Hdf5Error, NotImplementedError):
    """An entry of an HDF5 file is of a kind that has no Python value; the file is not damaged."""


class EngineError(ThunderlikeError, RuntimeError):
    """The engine could not run an operation."""

    _kept = "\n\t"  # tracebacks of workers


class NotOnEngineError(EngineError, NotImplementedError):
    """The operation needs another engine; the message names the call that converts."""


class ScratchLostError(EngineError):
    """A scratch file of a running program was removed, cut short, or is not visible to a worker.

    Records computed by thunderlike's methods are computed again; only an RDD of ``tordd`` shows it.

    Attributes
    ----------
    folder : str
        Folder of the files that belong together.
    """

    def __init__(self, message: str, folder: str = "") -> None:
        super().__init__(message)
        self.folder = folder


class WorkerFailedError(EngineError):
    """A function given by the user raised while it ran over the records.

    Attributes
    ----------
    key : tuple of int, str or None
        Key of the record, or path of the file, that it was given.
    traceback : str
        Traceback as text, from the process in which it ran.
    """

    def __init__(self, message: str, key: Any = None, traceback: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.traceback = traceback


class TimedOutError(EngineError, TimeoutError):
    """An operation exceeded the timeout; work that had not started was cancelled."""

    # Libraries that unpickle tracebacks call `__new__` of the class; the one that the order of the
    # bases finds first refuses to make an OSError.
    __new__ = OSError.__new__  # type: ignore[assignment]


class BatchError(EngineError):
    """A function raised on some items of a batch.

    Attributes
    ----------
    errors : list of (label, Exception)
        Of the items that failed, in their order.
    """

    def __init__(self, message: str, errors: list[tuple[Any, Exception]] | None = None) -> None:
        super().__init__(message)
        self.errors = errors or []


class MissingExtraError(ThunderlikeError, ImportError):
    """An optional library is not installed; the message says which extra brings it."""


class AlreadyImportedError(ThunderlikeError, ImportError):
    """A module of the name that an alias needs is in use, and is not ours."""


class ConfigError(ThunderlikeError, ValueError):
    """A setting is unknown or its value makes no sense."""


# Names of earlier versions, without the suffix.
AlreadyImported = AlreadyImportedError
BadIndex = BadIndexError
Denied = DeniedError
Exists = ExistsError
GroupMissing = GroupMissingError
InUse = InUseError
KeyMissing = KeyMissingError
MissingExtra = MissingExtraError
NotFound = NotFoundError
NotOnEngine = NotOnEngineError
Refused = RefusedError
TimedOut = TimedOutError
UnevenShares = UnevenSharesError
Unreadable = UnreadableError
WorkerFailed = WorkerFailedError
WrongType = WrongTypeError
