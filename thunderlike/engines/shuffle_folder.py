"""Folders of the files that carry a Spark shuffle, made and removed by the driver.

Each Spark context has a folder in the scratch folder, and in it one for each shuffle, which is
removed with the last records that need it. The folder of the context is removed when the context
stops, when this process ends, or by the Java of the context; what is left when both were killed, by
the next context that uses the scratch folder.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import platform
import shutil
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from thunderlike.config import current
from thunderlike.engines.scratch import scratch_error, scratch_folder
from thunderlike.engines.session import settings_of
from thunderlike.engines.shared_memory import on_one_machine
from thunderlike.errors import ScratchLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark import SparkContext

__all__ = ["ShuffleFolder", "recovering", "shuffle_folder"]

Result = TypeVar("Result")

log = logging.getLogger(__name__)

_PREFIX = "thunderlike-shuffle-"
_LOCK = "lock"
_UNUSED = 7 * 86400  # seconds after which the folder of another machine is left over


def shuffle_folder(context: SparkContext, nbytes: int) -> ShuffleFolder | None:
    """Make the folder of a shuffle, or return None where workers are not known to share one.

    Workers of one machine share the setting `scratch`, else the first folder of
    ``SPARK_LOCAL_DIRS`` or ``spark.local.dir``, else the temporary folder. Those of a cluster share
    `scratch`, if it is set and until one of them does not see a file that another has written.

    Parameters
    ----------
    context : SparkContext
    nbytes : int
        Bytes that the shuffle will write.

    Raises
    ------
    EngineError
        If the scratch folder is missing or cannot be written.
    """
    if not current().scratch and not on_one_machine(context.master):
        return None
    base = scratch_folder()
    configured = os.environ.get("SPARK_LOCAL_DIRS") or settings_of(context).get("spark.local.dir")
    if configured and not current().scratch:
        base = Path(configured.split(",")[0])
    with _lock:
        folders = _contexts.get(context)
        if folders is None:
            folders = _contexts[context] = {}
            _close_on_stop(context)
        folder = folders.get(base)
        try:
            if folder is None or not folder.exists():
                folder = folders[base] = _ContextFolder(context, base)
            return ShuffleFolder(folder) if folder.shared else None
        except OSError as error:
            raise scratch_error(base, f"cannot be used ({error.strerror})", nbytes) from error


class ShuffleFolder:
    """Folder of the files of one shuffle, which go with this object.

    Attributes
    ----------
    path : str
        Of the folder.
    lost : bool
        Files were lost: pieces go through Spark from then on.
    """

    def __init__(self, parent: _ContextFolder) -> None:
        self._parent = parent
        self.path, self.lost = parent.make(), False
        # At the end of the process the folder of the context goes, with all in it.
        weakref.finalize(self, _remove, self.path, os.getpid()).atexit = False

    def keep(self) -> None:
        """Keep the files as long as the context: RDDs made of them cannot be counted."""
        self._parent.kept.add(self)

    def abandon(self, context: SparkContext) -> None:
        """Do without files from now on: remove them, so that no task writes more."""
        if Path(self.path).is_dir() and not on_one_machine(context.master):
            self._parent.shared = False
        self.lost = True
        _remove(self.path, os.getpid())


def recovering(
    context: SparkContext, folders: Sequence[ShuffleFolder], run: Callable[[], Result]
) -> Result:
    """Run a job; after a loss of files again, with the shuffle that lost them left to Spark.

    Spark computes again what is missing of its own files; of ours it only learns that a task has
    failed. The function has to take the RDDs of records again.
    """
    while True:
        try:
            return run()
        except ScratchLostError as error:
            lost = [one for one in folders if one.path == error.folder]
            if not lost:
                raise
            log.warning("%s; its records are computed again", error)
            for folder in lost:
                folder.abandon(context)


class _ContextFolder:
    """Folder of a Spark context in a scratch folder, with a lock that this process holds.

    Attributes
    ----------
    shared : bool
        False once a worker did not see files of another.
    kept : set of ShuffleFolder
        Those needed as long as the context.
    """

    def __init__(self, context: SparkContext, base: Path) -> None:
        _remove_stale(base)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock, self._numbers = self.path / _LOCK, itertools.count()
        self.shared = True
        self.kept: set[ShuffleFolder] = set()
        made = self.path / f"{_LOCK}.new"  # nobody shall find it unlocked
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.close = weakref.finalize(self, _remove, self.path, os.getpid(), file)
        with suppress(OSError):  # without locks nobody will take the folder for left over
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(file, platform.node().encode())
        made.rename(self._lock)
        jvm: Any = context._jvm
        hooks = jvm.org.apache.spark.util.ShutdownHookManager  # also when this process is killed
        hooks.registerShutdownDeleteDir(jvm.java.io.File(str(self.path)))

    def exists(self) -> bool:
        """Return whether the folder is as it was made; programs that tidy up may remove it."""
        return self._lock.exists()

    def make(self) -> str:
        """Make the folder of one more shuffle."""
        os.utime(self._lock)
        folder = self.path / str(next(self._numbers))
        folder.mkdir()
        return str(folder)


_contexts: WeakKeyDictionary[SparkContext, dict[Path, _ContextFolder]] = WeakKeyDictionary()
_lock = threading.RLock()  # a collection of garbage may finalize folders at any time


def _close_on_stop(context: SparkContext) -> None:
    """Remove the folders of a context when its `stop` is called, of which Spark tells nobody."""
    stop = context.stop

    def stop_and_remove() -> None:
        try:
            stop()
        finally:
            for folder in _contexts.pop(context, {}).values():
                folder.close()

    context.stop = stop_and_remove  # type: ignore[method-assign]


def _remove(path: str | Path, owner: int, lock: int = -1) -> None:
    """Remove a folder, unless this process is a fork of the one that made it."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
    if lock >= 0:
        os.close(lock)


def _remove_stale(base: Path) -> None:
    """Remove the folders of contexts that ended without doing so."""
    for lock in base.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), lock.open("r+") as file:
            # A file system may know the locks of each machine alone.
            ours = file.read() == platform.node()
            if ours or time.time() - lock.stat().st_mtime > _UNUSED:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
