"""The disk engine on movies of 1 and 4 GB with 1 GiB of memory: time, peak, bytes written.

    python benchmarks/outofcore.py [NAME ...]
    python benchmarks/outofcore.py "4 GB std" --rounds 5
    GENERATED=4 KEEP=maps python benchmarks/outofcore.py "generated activity map"

    ENGINES=local,spark python benchmarks/outofcore.py            # of local, spark, dask

GENERATED is a number of GB, 17 by default; KEEP a folder for the output of the activity map job.

Movies of 256 x 256, int16, in one npy file each. The disk engine, the local engine, Spark on
local[2] and dask.distributed with two workers have a process each, which stays for the whole run,
and the variants of a row run in turns. The disk engine may use 1 GiB less the 150 MB of a Python
process with its libraries; "dask, 1 GiB" is dask with half of that for each of its workers, which
is tried for a minute. The others have no limit.

Before each run the file is dropped from the system's cache, as one larger than memory would be:
"reading" is one pass over it by one thread into a buffer of 4 MiB, and nothing else. Peaks are the
memory of all processes of a variant, sampled ten times a second, without pages of files.

"generated" is a movie of 512 x 512 that exists nowhere: a function returns each frame. The rival of
these rows is the first gigabyte of the same movie, its time scaled.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import Row, Scaled, main
from operations import corr, zscore
from scipy import ndimage, signal

import thunderlike as tl
from thunderlike.engines import engine_for
from thunderlike.engines.local import DeferredEngine
from thunderlike.jobs.activity_map import plan, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    Work = Callable[[str], np.ndarray]  # of the name of a size

ALLOWED = 2**30
SPARE = 150 * 10**6  # of a process that has imported everything
FRAMES = {"1 GB": 8192, "4 GB": 32768}
GIGABYTE = 2**17 * FRAMES["1 GB"]
GENERATED = int(os.environ.get("GENERATED", "17"))
ENGINES = [e for e in os.environ.get("ENGINES", "local,spark,dask,dask 1 GiB").split(",") if e]
PATIENCE = {"disk": 600, "dask 1 GiB": 60}  # s, after which a variant is given up
JOBS = ("mean", "std", "correlate", "pipeline", "activity map", "tohdf5")
SCANS = ("mean", "std")


def rows() -> Iterator[Row]:
    """Every job on each size, then the movie that is generated."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        disk, *others = (
            stack.enter_context(closing(Session(engine, folder))) for engine in ("disk", *ENGINES)
        )
        write_movie(folder, "warm-up", 512)
        for size in FRAMES:
            for job in JOBS:
                rivals = {"reading": Task(disk, "reading", size)} if job in SCANS else {}
                for one in others:
                    if comparable(one.engine, job, size):
                        rivals[one.engine.replace(" ", ", ", 1)] = Task(one, job, size)
                yield Row(f"{size} {job}", Task(disk, job, size), rivals)
            (folder / f"{size}.npy").unlink(missing_ok=True)
        for job in ("std", "activity map"):
            part = Scaled(Task(disk, f"generated {job}", "1 GB"), GENERATED * 1e9 / GIGABYTE)
            whole = Task(disk, f"generated {job}", f"{GENERATED} GB")
            yield Row(f"generated {job}", whole, {"a part of it": part})


def comparable(engine: str, job: str, size: str) -> bool:
    """Say whether an engine has a job, and time for it."""
    if job == "tohdf5":
        return (engine, size) == ("local", "1 GB")  # the others write files in other ways
    # The local engine would make arrays of 35 GB.
    return size == "1 GB" or (engine != "local" and job in (*SCANS, "correlate"))


def write_movie(folder: Path, size: str, count: int) -> None:
    """Write a file of noise, a stretch of 128 frames at a time, and a signal next to it."""
    rng = np.random.default_rng(0)
    stretch = rng.integers(0, 4000, (128, 256, 256)).astype(np.int16)
    shape = (count, 256, 256)
    movie = np.lib.format.open_memmap(folder / f"{size}.npy", "w+", np.int16, shape)
    for start in range(0, count, len(stretch)):
        movie[start : start + len(stretch)] = stretch
    movie.flush()
    np.savetxt(folder / f"{size}.csv", speed(count), header="speed", comments="")


def speed(count: int) -> np.ndarray:
    """A signal that has a value for each frame."""
    return np.random.default_rng(1).normal(size=count)


# The processes of the variants


class Session:
    """A process with one engine, started when it is needed, and again where it ended.

    Parameters
    ----------
    engine : str
        What runs in it.
    folder : Path
        The folder of the movie.
    """

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self._process: Any = None
        self._failed: set[str] = set()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, there = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(there, self.engine, self.folder))
        self._process.start()
        there.close()
        self._warm: set[str] = set()

    def run(self, job: str, size: str) -> dict[str, Any]:
        """Run a job there and watch its memory; RuntimeError where it fails or takes too long."""
        if job in self._failed:
            raise RuntimeError("failed before")
        if self._process is None:
            self._start()
        if job not in self._warm:
            self._warm.add(job)
            self.run(job, "warm-up")
        with Peak(self._process.pid) as peak:
            try:
                self._connection.send((job, size))
                done = self._connection.poll(PATIENCE.get(self.engine, 300))
                found = self._connection.recv() if done else {"error": "too slow"}
            except (OSError, EOFError):
                found = {"error": "its process ended"}
        if "error" in found:
            self.close(0)
            self._failed.add(job)  # on a larger movie too
            raise RuntimeError(found["error"])
        return {**found, "peak": peak.nbytes}

    def close(self, patience: float = 20) -> None:
        """End the process and those below it."""
        import psutil

        if self._process is None:
            return
        below = psutil.Process(self._process.pid).children(recursive=True)
        self._connection.close()
        self._process.join(patience)
        self._process.kill()
        self._process = None
        for process in below:
            with suppress(psutil.Error):
                process.kill()


@dataclass(frozen=True)
class Task:
    """A job in a session, on a movie of some size that is in no cache."""

    session: Session
    job: str
    size: str

    def __call__(self) -> dict[str, Any]:
        """Run it."""
        if self.size in FRAMES and "generated" not in self.job:
            path = self.session.folder / f"{self.size}.npy"
            if not path.exists():
                write_movie(self.session.folder, self.size, FRAMES[self.size])
            drop_from_cache(path)
        return self.session.run(self.job, self.size)

    @property
    def nbytes(self) -> int:
        """Bytes of the movie."""
        if "generated" in self.job:
            return 2**19 * generated_frames(self.size)
        return 2**17 * FRAMES[self.size]


def drop_from_cache(path: Path) -> None:
    """Have the system forget the pages of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Peak:
    """The most memory that a process and those below it have held at once."""

    def __init__(self, pid: int) -> None:
        self._pid, self._over, self.nbytes = pid, threading.Event(), 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import psutil

        here = psutil.Process(self._pid)
        while not self._over.wait(0.1):
            try:
                pids = [self._pid, *(child.pid for child in here.children(recursive=True))]
            except psutil.Error:
                return  # it has ended
            self.nbytes = max(self.nbytes, sum(map(anonymous, pids)))


def anonymous(pid: int) -> int:
    """Bytes that a process holds and that are not pages of files; of shared ones its part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    except OSError:
        return 0  # it has ended
    return sum(int(kb) * 1024 for kb in re.findall(r"^Pss_(?:Anon|Shmem): *(\d+)", text, re.M))


def serve(connection: Connection, engine: str, folder: Path) -> None:
    """Run the jobs that are asked for, until the other end is closed."""
    with ExitStack() as stack:
        if engine in ("dask", "dask 1 GiB"):
            jobs = dask_jobs(folder, ALLOWED // 2 if engine != "dask" else 0, stack)
        else:
            jobs = our_jobs(folder, engine, stack)
        while True:
            try:
                job, size = connection.recv()
            except EOFError:
                return
            connection.send(outcome(jobs[job], size))


def outcome(job: Work, size: str) -> dict[str, Any]:
    """Seconds, CPU seconds, bytes written and result of a job, or its error."""
    before, cpu, started = written(), os.times(), time.perf_counter()
    try:
        value = job(size)
    except Exception as error:  # a rival that fails is a result
        return {"error": f"{type(error).__name__}: {error}"}
    seconds, after = time.perf_counter() - started, os.times()
    used = after.user + after.system - cpu.user - cpu.system
    return {"value": value, "seconds": seconds, "cpu": used, "written": written() - before}


def written() -> int:
    """Bytes that this process has written to files."""
    import psutil

    return psutil.Process().io_counters().write_chars


# The jobs


def our_jobs(folder: Path, engine: str, stack: ExitStack) -> dict[str, Work]:
    """Return the jobs on an engine of ours."""
    there: Any = engine
    if engine == "disk":
        os.environ["THUNDERLIKE_MEMORY"] = str(ALLOWED - SPARE)
    if engine == "spark":
        there = tl.spark.context("local[2]")
        stack.callback(there.stop)

    def movie(size: str) -> tl.images.Images:
        return tl.images.fromnpy(folder / f"{size}.npy", engine=there)

    def correlate(size: str) -> np.ndarray:
        images = movie(size)
        return images.toseries().zscore().correlate(speed(len(images))).toarray()

    def pipeline(size: str) -> np.ndarray:
        images = movie(size)
        series = images.gaussian_filter(1).toseries().detrend()
        return series.correlate(speed(len(images))).toarray()

    def tohdf5(size: str) -> np.ndarray:
        file = folder / f"{engine}.h5"
        movie(size).toseries().tohdf5(file, overwrite=True)
        found = tl.series.fromhdf5(file, engine="disk")[7, :3].toarray()
        file.unlink()
        return found

    jobs: dict[str, Work] = {
        "mean": lambda size: movie(size).mean().toarray(),
        "std": lambda size: movie(size).std().toarray(),
        "correlate": correlate,
        "pipeline": pipeline,
        "activity map": lambda size: activity_map(folder, size, there),
        "tohdf5": tohdf5,
    }
    if engine == "disk":
        jobs["reading"] = lambda size: reading(folder / f"{size}.npy")
        jobs["generated std"] = lambda size: generated(size, "disk").std().toarray()
        jobs["generated activity map"] = lambda size: activity_map(
            folder, "warm-up", "disk", generated(size, DeferredEngine())
        )
    return jobs


def reading(path: Path) -> np.ndarray:
    """Read the file once, as fast as one thread can."""
    buffer = memoryview(bytearray(2**22))
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return np.empty(0)


def activity_map(
    folder: Path, size: str, engine: Any, movie: tl.images.Images | None = None
) -> np.ndarray:
    """Run the job on a file, or on images that take its place, and return the map."""
    output = (
        Path(os.environ.get("KEEP", folder))
        / f"map of {'generated' if movie is not None else size}"
    )
    planned = plan(folder / f"{size}.npy", f"{folder / size}.csv", output)
    if movie is not None:
        planned = replace(
            planned,
            movie=replace(planned.movie, collection=movie),
            signal=replace(planned.signal, values=speed(len(movie))),
        )
    found, _ = run(planned, engine_for(engine), overwrite=True)
    return found.correlation


def generated(size: str, engine: Any) -> tl.images.Images:
    """Images that a function returns, one call for each frame."""
    count = generated_frames(size)
    frame = Frames(speed(count))
    return tl.images.fromlist(range(count), frame, dims=(512, 512), dtype="int16", engine=engine)


def generated_frames(size: str) -> int:
    """Return the frames of 512 x 512 of a movie of that size."""
    sizes = {"warm-up": 2**26, "1 GB": GIGABYTE}
    return sizes.get(size, GENERATED * 10**9) // 2**19


class Frames:
    """Cells on a ground with noise; every other one follows the signal."""

    def __init__(self, values: np.ndarray) -> None:
        rng = np.random.default_rng(2)
        y, x = np.mgrid[:512, :512]
        cells = np.zeros((2, 512, 512))
        for number, (top, left) in enumerate(rng.uniform(20, 492, (80, 2))):
            cells[number % 2] += np.exp(-((y - top) ** 2 + (x - left) ** 2) / 60)
        self._cells = (100 * cells).astype(np.int16)
        self._ground = (300 + 200 * cells.sum(axis=0)).astype(np.int16)
        self._noise = rng.normal(0, 60, (31, 512, 512)).astype(np.int16)
        self._weights = np.stack([values, rng.permutation(values)]).clip(-3, 3)

    def __call__(self, number: int) -> np.ndarray:
        """Return a frame."""
        frame = self._ground + self._noise[number % len(self._noise)]
        for cells, weight in zip(self._cells, self._weights[:, number], strict=True):
            frame += cells * np.int16(8 * weight) >> 3  # eighths: a division takes longer
        return frame


def dask_jobs(folder: Path, limit: int, stack: ExitStack) -> dict[str, Work]:
    """Return the jobs in plain dask, with two workers."""
    from dask.distributed import Client

    stack.enter_context(
        Client(
            n_workers=2, threads_per_worker=1, memory_limit=limit,
            dashboard_address=None, silence_logs=logging.CRITICAL,
        )
    )  # fmt: skip

    def movie(size: str) -> Any:
        import dask.array as da
        from dask import delayed

        path = folder / f"{size}.npy"
        shape = np.load(path, mmap_mode="r").shape
        edges = [*range(0, shape[0], 128), shape[0]]
        parts = [
            da.from_delayed(delayed(frames)(path, a, b), (b - a, *shape[1:]), np.int16)
            for a, b in itertools.pairwise(edges)
        ]
        return da.concatenate(parts)

    def correlated(images: Any, before: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        import dask.array as da

        count, height, width = images.shape
        lines = max(1, 2**22 // (2 * width * count))  # chunks of 4 MiB, as ours
        series = da.moveaxis(images, 0, -1).rechunk((lines, width, -1)).reshape(-1, count)
        found = series.map_blocks(
            lambda block, one: corr(before(block.astype(np.float64)), one), speed(count)[None],
            dtype="f8", chunks=(series.chunks[0], (1,)),
        )  # fmt: skip
        return found.compute().reshape(height, width)

    def smooth(block: np.ndarray) -> np.ndarray:
        return np.stack([ndimage.gaussian_filter(image, 1) for image in block])

    def activity(size: str) -> np.ndarray:
        movie(size).mean(axis=0).compute()
        return correlated(movie(size), signal.detrend)

    return {
        "mean": lambda size: movie(size).mean(axis=0).compute(),
        "std": lambda size: movie(size).std(axis=0).compute(),
        "correlate": lambda size: correlated(movie(size), zscore),
        "pipeline": lambda size: correlated(movie(size).map_blocks(smooth), signal.detrend),
        "activity map": activity,
    }


def frames(path: Path, start: int, stop: int) -> np.ndarray:
    """Some frames of the file, read on a worker."""
    return np.array(np.load(path, mmap_mode="r")[start:stop])


# Timing


def timed(row: Row, rounds: int) -> dict[str, float]:
    """Run the variants in turns, and return medians, peaks and bytes written as columns.

    A row that takes long runs once: `rounds` more only as long as all took less than 30 s.

    Raises
    ------
    AssertionError
        Where engines of ours differ in a bit, or another result is not close.
    """
    variants = {"ours": row.ours, **row.rivals}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    errors: dict[str, str] = {}
    started = time.perf_counter()
    for turn in range(rounds):
        if turn and time.perf_counter() - started > 30:
            break
        for name in random.Random(turn).sample(list(variants), len(variants)):
            try:
                found[name] += [variants[name]()] if name not in errors else []
            except RuntimeError as error:
                errors[name] = str(error)
    if "ours" in errors:
        sys.exit(f"{row.name}: {errors['ours']}")
    check(row.name, {name: runs[0]["value"] for name, runs in found.items() if runs})
    table = columns(row, {name: runs for name, runs in found.items() if runs})
    shown = "   ".join(f"{name} {value:.2f}" for name, value in table.items() if name != "seconds")
    failed = "".join(f"   {name}: {error:.60}" for name, error in errors.items())
    print(f"{row.name:<28}{table['seconds'] * 1000:>9.1f}  {shown}{failed}", flush=True)
    return table


def check(name: str, values: dict[str, np.ndarray]) -> None:
    """Compare the results of all variants with ours."""
    ours = values.pop("ours")
    for variant, value in values.items():
        if variant in ("local", "spark"):
            np.testing.assert_array_equal(value, ours, err_msg=f"{name}: {variant}")
        elif variant.startswith("dask"):
            np.testing.assert_allclose(value, ours, rtol=1e-6, atol=1e-9, err_msg=name)


def columns(row: Row, found: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Our seconds, ratios to them, peaks in MB, and bytes written as multiples of the movie."""
    factors = {name: getattr(call, "factor", 1.0) for name, call in row.rivals.items()}
    seconds = {
        name: statistics.median(run["seconds"] for run in runs) * factors.get(name, 1.0)
        for name, runs in found.items()
    }
    ours = seconds.pop("ours")
    peaks = {
        f"{name}, MB": max(run["peak"] for run in runs) / 1e6
        for name, runs in found.items()
        if name not in ("reading", "a part of it")
    }
    ratios = {name: value / ours for name, value in seconds.items()}
    task: Any = row.ours
    share = found["ours"][0]["written"] / task.nbytes
    cpu = statistics.median(run["cpu"] for run in found["ours"])
    size = {"GB": task.nbytes / 1e9}
    return {"seconds": ours, **ratios, **size, "CPU, s": cpu, **peaks, "written": share}


if __name__ == "__main__":
    main(rows, __doc__ or "", timed)
