"""Two processes that write to one path at the same moment: one typed error, or both are whole.

python two_writers.py FOLDER [--rounds 30] [CASE ...] prints the counts of each case.

Writer 1 writes ones, writer 2 twos. A case says what has to be there, given the writers that have
raised no error; nothing else may be in the folder.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from generations import movie, samples, traces

import thunderlike as tl


@dataclass(frozen=True)
class Case:
    """What two processes do to one path.

    Parameters
    ----------
    write : callable
        Of a path and the number of the writer.
    read : callable
        Of a path; returns the sorted numbers of the writers whose data is there, whole.
    begin : callable, optional
        Of a path; makes what is there before.
    joins : bool
        Whether the data of both is there when both have raised no error; else that of one.
    new : bool
        Whether nothing may be replaced, so that at most one raises no error.
    """

    write: object
    read: object
    begin: object = None
    joins: bool = False
    new: bool = False


def _dataset(path, number, **options):
    with tl.datasets.FileWriter(path, **options) as writer:
        writer.write_many(samples(number))


def _append_dataset(path, number):
    with tl.datasets.FileWriter(path, append=True) as writer:
        writer.write_many(samples(number))


def _shards(path, number, **options):
    with tl.datasets.ShardWriter(f"{path}/{{}}.msgpack", max_samples=20, **options) as writer:
        writer.write_many(samples(number))


def _of_samples(reader):
    """The generations in a dataset, each of as many samples as were written."""
    with reader:
        found = list(reader)
        assert len(found) == len(list(reader.keys())), "keys and samples are not as many"
    parts = {}
    for key, of_one in groupby(found, lambda sample: int(sample["key"][1:].partition("-")[0])):
        assert key not in parts, "the samples of two writers are mixed"
        parts[key] = list(of_one)
    for key, of_one in parts.items():
        assert len(of_one) == 40 + key % 3, f"{len(of_one)} samples of writer {key}"
        assert {int(v) for sample in of_one for v in np.unique(sample["x"])} == {key}
    return sorted(set(parts) - {0})


def _one(read):
    def values(path):
        found = {int(v) for v in np.unique(read(path))}
        assert len(found) == 1, f"a mixture of {sorted(found)}"
        return sorted(found)

    return values


def _structure(number):
    return {"a": np.full((200 + number, 100), number, "u2"), "b": {"c": np.full(50, number)}}


def _loaded(path):
    found = tl.load(path)
    assert found["a"].shape == (200 + int(found["b"]["c"][0]), 100)
    return np.concatenate([found["a"].ravel(), found["b"]["c"]])


def _records(path):
    """The writers of an array to which each appends 30 records, one after the other."""
    found = tl.load(path)["x"]
    counts = Counter(found[:, 0].tolist())
    assert (found == found[:, :1]).all()
    assert all(count == 30 for count in counts.values()), counts
    return sorted(set(counts) - {0})


def _of_entries(path):
    found = tl.load(path)
    for name, value in found.items():
        assert value.shape == (300, 4), (name, value.shape)
        assert (value == int(name[1:])).all(), name
    return sorted(int(name[1:]) for name in found if name != "w0")


def _entry(path, number, **options):
    tl.save(path, {f"w{number}": np.full((300, 4), number)}, mode="a", **options)


def _files(write, read, **old):
    """Cases of a format: a new path, and one that is replaced."""
    return (
        Case(lambda p, n: write(p, n), _one(read), new=True),
        Case(lambda p, n: write(p, n, overwrite=True), _one(read), lambda p: write(p, 3), **old),
    )


def _array(read):
    return lambda path: read(path).toarray(squeeze=False)


CASES = {
    "new dataset": Case(_dataset, lambda p: _of_samples(tl.datasets.MsgpackReader(p)), new=True),
    "dataset": Case(
        lambda p, n: _dataset(p, n, overwrite=True),
        lambda p: _of_samples(tl.datasets.MsgpackReader(p)),
        lambda p: _dataset(p, 3),
    ),
    "appended dataset": Case(
        _append_dataset,
        lambda p: _of_samples(tl.datasets.MsgpackReader(p)),
        lambda p: _dataset(p, 0),
        joins=True,
    ),
    "new appended dataset": Case(
        _append_dataset, lambda p: _of_samples(tl.datasets.MsgpackReader(p)), joins=True
    ),
    "new shards": Case(_shards, lambda p: _of_samples(tl.datasets.ShardedReader(p)), new=True),
    "shards": Case(
        lambda p, n: _shards(p, n, overwrite=True),
        lambda p: _of_samples(tl.datasets.ShardedReader(p)),
        lambda p: _shards(p, 3),
    ),
    "save": Case(lambda p, n: tl.save(p, _structure(n)), _one(_loaded)),
    "save in place": Case(lambda p, n: tl.save(p, _structure(n), atomic=False), _one(_loaded)),
    "new entries": Case(_entry, _of_entries, joins=True),
    "entries": Case(_entry, _of_entries, lambda p: _entry(p, 0), joins=True),
    "entries in place": Case(
        lambda p, n: _entry(p, n, atomic=False), _of_entries, lambda p: _entry(p, 0), joins=True
    ),
    "new appended array": Case(
        lambda p, n: tl.hdf5.append(p, "x", np.full((30, 8), n)), _records, joins=True
    ),
    "appended array": Case(
        lambda p, n: tl.hdf5.append(p, "x", np.full((30, 8), n)),
        _records,
        lambda p: tl.hdf5.append(p, "x", np.full((30, 8), 0)),
        joins=True,
    ),
}  # fmt: skip
for _name, _write, _read in (
    ("tif", lambda p, n, **o: movie(n).totif(p, **o), _array(tl.images.fromtif)),
    ("raw", lambda p, n, **o: movie(n).tobinary(p, **o), _array(tl.images.frombinary)),
    ("series", lambda p, n, **o: traces(n).tobinary(p, **o), _array(tl.series.frombinary)),
    ("npy", lambda p, n, **o: movie(n).tonpy(p, **o), _array(tl.images.fromnpy)),
    ("zarr", lambda p, n, **o: movie(n).tozarr(p, **o), _array(tl.images.fromzarr)),
    ("hdf5", lambda p, n, **o: movie(n).tohdf5(p, **o), _array(tl.images.fromhdf5)),
    ("samples", lambda p, n, **o: movie(n).tomsgpack(p, **o), _array(tl.images.frommsgpack)),
):
    CASES[f"new {_name}"], CASES[_name] = _files(_write, _read)


def _work(number, start, tasks, results):
    """Write what is asked for, both at once."""
    while (task := tasks.get()) is not None:
        name, path = task
        start.wait()
        try:
            CASES[name].write(path, number)
            results.put((number, ""))
        except tl.ThunderlikeError as error:
            results.put((number, f"{type(error).__name__}: {error}"))
        except BaseException:
            results.put((number, f"untyped: {traceback.format_exc()}"))


class Writers:
    """Two processes; a context manager."""

    def __enter__(self):
        context = multiprocessing.get_context("spawn")
        self._tasks, self._results = [context.Queue(), context.Queue()], context.Queue()
        self._start = context.Barrier(2)
        self._processes = [
            context.Process(target=_work, args=(n, self._start, tasks, self._results), daemon=True)
            for n, tasks in enumerate(self._tasks, 1)
        ]
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *exc):
        for tasks in self._tasks:
            tasks.put(None)
        for process in self._processes:
            process.join()

    def race(self, name, folder):
        """Have both write once; return the errors, and what is wrong with the result or ''."""
        case, path = CASES[name], f"{folder}/{name.replace(' ', '-')}"
        path += ".msgpack" if "dataset" in name else ""
        if case.begin is not None:
            case.begin(path)
        before = {one.name for one in Path(folder).iterdir()}
        for tasks in self._tasks:
            tasks.put((name, path))
        outcomes = dict(self._results.get(timeout=100) for _ in range(2))
        return [text for text in outcomes.values() if text], _wrong(case, path, outcomes, before)


def _wrong(case, path, outcomes, before):
    untyped = [text for text in outcomes.values() if text.startswith("untyped")]
    if untyped:
        return untyped[0]
    succeeded = sorted(number for number, text in outcomes.items() if not text)
    try:
        found = case.read(path)
    except (tl.ThunderlikeError, AssertionError, KeyError) as error:
        return f"{succeeded} raised no error, and reading: {type(error).__name__}: {error}"
    allowed = [succeeded] if case.joins else [[number] for number in succeeded]
    if found not in allowed or (case.new and len(succeeded) != 1):
        return f"{succeeded} raised no error, and there is {found}"
    names = {one.name for one in Path(path).parent.iterdir()} - before
    left = [name for name in names if name.startswith(".")]
    return f"left behind: {left}" if left else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    failed = 0
    with Writers() as writers:
        for name in given.cases or CASES:
            errors, wrong = Counter(), []
            for _ in range(given.rounds):
                folder = tempfile.mkdtemp(dir=given.place)
                of_round, problem = writers.race(name, folder)
                errors.update([text.partition(":")[0] for text in of_round] or ["none"])
                wrong += [problem] if problem else []
                shutil.rmtree(folder)
            kinds = ", ".join(f"{count} {text}" for text, count in errors.most_common())
            print(f"{name}: {given.rounds} rounds, {len(wrong)} wrong; errors: {kinds}", flush=True)
            for problem, count in Counter(wrong).most_common(3):
                print(f"    {count} x {problem}", flush=True)
            failed += len(wrong)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
