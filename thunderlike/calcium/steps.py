"""Steps of a run: what each depends on, and a record of those that are done.

A step has a digest of the input, the versions, its parameters and those of all steps before it. The
record keeps the digest of the files that a step wrote; the next run keeps these files where the
digest is equal, and computes the step and all after it where it is not.
"""

from __future__ import annotations

import dataclasses
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.data.identity import described, hashed
from thunderlike.errors import ExistsError, NotFoundError
from thunderlike.storage.atomic import draft
from thunderlike.storage.locking import WriterLock, hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from thunderlike.storage import AnyPath

__all__ = ["STATE", "Done", "Step", "Workspace", "chain"]

STATE = "state.json"
_FORMAT = 1  # of the state file
_COPIED = 2**24  # bytes at a time


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Parameters
    ----------
    name : str
        Such as ``'detect'``; of one plane of several, ``'plane0/detect'``.
    files : tuple of str
        What it writes, relative to the output.
    parameters : dict
        Descriptions of what it depends on, except for the steps before it.
    digest : str
        Of these and of all before them.
    """

    name: str
    files: tuple[str, ...]
    parameters: Mapping[str, Any]
    digest: str


def chain(
    origin: Mapping[str, Any], steps: Iterable[tuple[str, Sequence[str], Mapping[str, Any]]]
) -> list[Step]:
    """Make steps of which each depends on those before it.

    Parameters
    ----------
    origin : mapping
        What all depend on: identity of the input, versions.
    steps : iterable of (str, sequence of str, mapping)
        Name, files and parameters of each.

    Examples
    --------
    >>> first = chain({"input": "a"}, [("one", ["1.h5"], {"n": 1}), ("two", ["2.h5"], {})])
    >>> other = chain({"input": "a"}, [("one", ["1.h5"], {"n": 2}), ("two", ["2.h5"], {})])
    >>> [one.digest == two.digest for one, two in zip(first, other)]
    [False, False]
    """
    digest, made = hashed(described(origin)), []
    for name, files, parameters in steps:
        given = described(parameters)
        digest = hashed([digest, name, given])
        made.append(Step(name, tuple(files), given, digest))
    return made


@dataclass(frozen=True)
class Done:
    """Record of a step that is done.

    Parameters
    ----------
    digest : str
    files : dict
        Size of each file in bytes.
    seconds : float
        Duration.
    parameters : dict
        Described, to name what changed.
    """

    digest: str
    files: Mapping[str, int]
    seconds: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Workspace:
    """A hidden folder next to the output, in which steps are done and recorded.

    Use it as a context manager; one run works in it at a time.

    Parameters
    ----------
    output : path
        Folder of the finished results.
    ours : sequence of str
        Names and patterns of all files in it.
    overwrite : bool
        Replace finished results of other steps than the present ones.
    resume : bool
        Keep what earlier runs have done; else start again.

    Raises
    ------
    ExistsError, StorageError
        If the output may not be written.
    InUseError
        If another run is working on this output.

    Examples
    --------
    >>> steps = chain({"input": "a"}, [("one", ["1.txt"], {"n": 1})])
    >>> with Workspace("memory://run", ["1.txt"]) as space:
    ...     with space.doing(steps[0]):
    ...         storage.write(space.path("1.txt"), b"done")
    ...     space.publish(steps)
    >>> with Workspace("memory://run", ["1.txt"]) as space:
    ...     space.finished(steps)
    True
    >>> storage.delete("memory://run")
    """

    def __init__(
        self,
        output: AnyPath,
        ours: Sequence[str],
        *,
        overwrite: bool = False,
        resume: bool = True,
    ) -> None:
        self.output = storage.at(output).rstrip("/")
        self._ours = (*ours, STATE)
        self._overwrite, self._resume = overwrite, resume
        self._work = hidden(self.output, ".unfinished")
        self._files = storage.join(self._work, "files")

    def __enter__(self) -> Workspace:
        self._lock = WriterLock(self.output)
        if not self._resume:
            storage.delete(self._work)
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def path(self, file: str) -> str:
        """Return where a step writes a file, and later steps read it."""
        return storage.join(self._files, file)

    def finished(self, steps: Sequence[Step]) -> bool:
        """Return whether the output holds the results of these steps.

        Raises
        ------
        ExistsError
            If it holds those of others, without `overwrite`; names the first change.
        StorageError
            If it holds other files, or cannot be written.
        """
        if self._resume and all(_valid(step, self.output, self.output) for step in steps):
            return True
        there = _state(self.output)
        if there and not self._overwrite:
            raise ExistsError(
                f"{self.output}: holds the results of an earlier run, in which "
                f"{_change(there, steps)}; give another folder, or overwrite=True to replace them"
            )
        storage.check_output(self.output, self._ours, overwrite=self._overwrite)
        return False

    def done(self, step: Step) -> bool:
        """Return whether a step need not be done."""
        return self._resume and (self._here(step) or _valid(step, self.output, self.output))

    def fetch(self, step: Step) -> bool:
        """Return whether a step is done here; take its files from an earlier output if need be."""
        if self._here(step):
            return True
        if not (self._resume and _valid(step, self.output, self.output)):
            return False
        for file in step.files:
            _copy(storage.join(self.output, file), self.path(file))
        self._record(step.name, _state(self.output)[step.name])
        return True

    @contextmanager
    def doing(self, step: Step) -> Iterator[None]:
        """Record that a step is done at the end of a block that does not raise."""
        # First of all its old record goes: files of a step that is interrupted are worth nothing.
        self._record(step.name, None)
        for file in step.files:
            store, folder = storage.resolve(storage.parent(self.path(file)))
            if not store.exists(folder):
                store.begin(folder)
        begin = time.perf_counter()
        yield
        seconds = round(time.perf_counter() - begin, 3)
        sizes = {file: storage.stat(self.path(file)).size for file in step.files}
        self._record(step.name, Done(step.digest, sizes, seconds, step.parameters))

    def publish(self, steps: Sequence[Step], more: Sequence[str] = ()) -> None:
        """Move the results to the output, in one step, and remove the folder.

        Parameters
        ----------
        steps : sequence of Step
            All of them, done.
        more : sequence of str
            Further files.
        """
        state = _state(self._work)
        kept = {step.name: state[step.name] for step in steps}
        names = {*(file for step in steps for file in step.files), *more}
        with storage.output(self.output, self._ours, overwrite=self._overwrite) as folder:
            store, address = storage.resolve(self._files)
            for entry in store.list(address, recursive=True):
                # Drafts of killed runs, and files of steps that this run does not have.
                if entry.path[len(address) + 1 :] not in names:
                    store.delete(entry.path)
            store.move(address, folder)
            storage.write(storage.join(folder, STATE), _encoded(kept))
        storage.delete(self._work)

    def seconds(self, steps: Sequence[Step]) -> dict[str, float]:
        """Return the duration of each step, in whichever run it was done."""
        state = _state(self._work) or _state(self.output)
        return {step.name: state[step.name].seconds for step in steps}

    def _here(self, step: Step) -> bool:
        return _valid(step, self._work, self._files)

    def _record(self, name: str, done: Done | None) -> None:
        state = _state(self._work)
        state.pop(name, None)
        if done is not None:
            state[name] = done
        storage.write(storage.join(self._work, STATE), _encoded(state))


def _state(folder: str) -> dict[str, Done]:
    """Read the records of a folder; none where the file is missing, damaged or of later form."""
    try:
        content = json.loads(storage.read(storage.join(folder, STATE)))
        if content["format"] != _FORMAT:
            return {}
        return {name: Done(**entry) for name, entry in content["steps"].items()}
    except (NotFoundError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def _valid(step: Step, folder: str, files: str) -> bool:
    """Check that a step was done with the same digest, and that its files are there."""
    done = _state(folder).get(step.name)
    if done is None or done.digest != step.digest:
        return False
    try:
        sizes = {file: storage.stat(storage.join(files, file)).size for file in step.files}
    except NotFoundError:
        return False
    return sizes == done.files


def _encoded(state: Mapping[str, Done]) -> bytes:
    steps = {name: dataclasses.asdict(done) for name, done in state.items()}
    return json.dumps({"format": _FORMAT, "steps": steps}, indent=1).encode() + b"\n"


def _copy(path: str, target: str) -> None:
    """Copy a file of any size between folders of a store."""
    with (
        storage.open(path) as source,
        draft(target, ours=lambda _: True, overwrite=True) as made,
        made.file.open("wb") as out,
    ):
        for start in range(0, source.size, _COPIED):
            out.write(source.read_range(start, min(_COPIED, source.size - start)))


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, object, object]:
    """Return the innermost name of the first difference, and its two values."""
    name = min(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    values = old.get(name), new.get(name)
    match values:
        case dict(before), dict(after) if before.keys() == after.keys():
            return _difference(before, after)
    return name, *values


def _change(there: Mapping[str, Done], steps: Sequence[Step]) -> str:
    """Name the first difference from the present steps."""
    for step in steps:
        done = there.get(step.name)
        if done is None:
            return f"there was no step {step.name!r}"
        if done.digest == step.digest:
            continue
        if done.parameters != step.parameters:
            name, old, new = _difference(done.parameters, step.parameters)
            return f"{name} of step {step.name!r} was {old!r:.80}, not {new!r:.80}"
        return f"the input or the versions of libraries before step {step.name!r} were others"
    return "some files are missing"
