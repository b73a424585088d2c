"""Spark jobs: environment of tasks, progress and errors."""

from __future__ import annotations

import gc
import json
import pickle
import re
import signal
import sys
import threading
import uuid
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from thunderlike import errors
from thunderlike.errors import EngineError, ThunderlikeError, WrongTypeError
from thunderlike.kernels._validation import FOREIGN, typed
from thunderlike.progress import Tracker, progress, track, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from pyspark import SparkContext

__all__ = ["check_running", "import_first", "interruptible", "job", "with_typed_errors"]


class _CarriedError(Exception):  # private to this module
    """A thunderlike error as JSON: Spark passes the text of a traceback, not the exception."""

    def __init__(self, error: ThunderlikeError) -> None:
        super().__init__(json.dumps([type(error).__name__, str(error), vars(error)], default=list))


def with_typed_errors(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Wrap a task so that its thunderlike errors are raised on the driver as themselves."""
    return _Task(function)


def _refusal(message: str) -> Exception:
    """Return the exception of a worker that cannot run the driver's tasks."""
    return _CarriedError(EngineError(message))


def import_first(module: ModuleType) -> None:
    """Import a module in workers before a task is unpickled.

    For modules that install import hooks which functions of the user depend on.
    """
    if module not in _first:
        _first.append(module)


_first: list[ModuleType] = []


class _Task:
    """A function for workers; pickled with what they import first."""

    def __init__(self, function: Callable[..., Iterator[Any]]) -> None:
        self.function = function

    def __getstate__(self) -> dict[str, Any]:
        # Pickled in this order: versions are compared and modules imported before the function.
        from pyspark import SparkContext

        from thunderlike.engines.versions import DriverVersions

        context = SparkContext._active_spark_context
        versions = DriverVersions(context, _refusal) if context else None
        return {"versions": versions, "first": tuple(_first), "function": self.function}

    def __call__(self, *args: Any) -> Iterator[Any]:
        progress(False)  # the driver shows the tasks
        try:
            yield from self.function(*args)
        except ThunderlikeError as error:
            raise _CarriedError(error) from error
        except FOREIGN as error:  # of numpy and scipy, which the local engine types as well
            raise _CarriedError(typed("a task on Spark", error)) from error
        _freeze_garbage(len(sys.modules))


@cache  # runs again only after more modules were imported
def _freeze_garbage(modules: int) -> None:  # noqa: ARG001
    """Exclude the objects of imported modules from garbage collection.

    PySpark collects garbage after each task. A traversal of the objects of numpy and pyspark takes
    40 ms, longer than many tasks, and delays the next one.
    """
    gc.collect()
    gc.freeze()


def _carried_error(text: str) -> ThunderlikeError | None:
    """Return the thunderlike error in the traceback of a worker, None without one."""
    found = re.search(rf"{_CarriedError.__name__}: (\[.*\])\s*$", text, re.MULTILINE)
    if found is None:
        return None
    name, message, attributes = json.loads(found.group(1))
    error: ThunderlikeError = getattr(errors, name)(message)
    vars(error).update(attributes)
    if isinstance(error, errors.WorkerFailedError) and isinstance(error.key, list):
        error.key = tuple(error.key)
    return error


@contextmanager
def job(context: SparkContext, label: str) -> Iterator[None]:
    """Name the Spark jobs started inside, show their progress and convert their errors.

    Raises
    ------
    ThunderlikeError
        The error of a task; :class:`EngineError` for any other failure.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    from thunderlike.engines.versions import warn_of_differences

    check_running(context)
    group = f"thunderlike-{uuid.uuid4().hex}"
    before = [context.getLocalProperty(name) for name in _PROPERTIES]
    context.setJobGroup(group, f"thunderlike: {label}")
    try:
        with _watching(context, group, label):
            yield
        warn_of_differences(context)
    except (Py4JJavaError, PySparkException) as error:
        raise (_carried_error(str(error)) or _failure(str(error))) from error
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        # On the driver these three only come from pickling a function.
        raise WrongTypeError(
            f"the function cannot be sent to Spark's workers: {error}; create the objects "
            "it uses inside of it, or use the local engine"
        ) from error
    finally:
        for name, value in zip(_PROPERTIES, before, strict=True):
            context.setLocalProperty(name, value)  # type: ignore[arg-type]  # None clears it


@contextmanager
def interruptible(context: SparkContext) -> Iterator[None]:
    """Cancel the running job on Ctrl-C and raise KeyboardInterrupt once it has ended.

    PySpark's own handler sends the cancellation over the connection that waits for the result,
    which fails with two tracebacks. A second Ctrl-C is handled as outside of this context.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a handler of signals
        return
    group, pressed = context.getLocalProperty("spark.jobGroup.id"), threading.Event()

    def cancel(*_: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)
        threading.Thread(target=context.cancelJobGroup, args=(group,), daemon=True).start()

    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    except Exception:
        if not pressed.is_set():
            raise
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed.is_set():
        raise KeyboardInterrupt


_PROPERTIES = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")


def check_running(context: SparkContext) -> None:
    """Raise EngineError for a context that was stopped."""
    if context._jsc is None:
        raise EngineError(
            "the SparkContext was stopped: make another one, and read the records again with it"
        )


def _failure(text: str) -> EngineError:
    """Return the error for a Java stack trace without a thunderlike error."""
    from thunderlike.engines.versions import mismatch

    if message := mismatch(text):
        return EngineError(message)
    if "OutOfMemoryError" in text:
        return EngineError(
            f"{_last_line(text)}: Java has not enough memory, set spark.driver.memory or "
            "spark.executor.memory higher, or use more partitions"
        )
    if re.search(_DIED, text):
        return errors.WorkerFailedError(
            "a worker process of Spark died while it ran the function: the code exited, or the "
            "system killed it for lack of memory; smaller partitions, .repartition(n), need less"
        )
    return EngineError(_last_line(text))


_DIED = (
    "Python worker exited unexpectedly|Python worker failed to connect back|ExecutorLostFailure"
    "|Lost executor|exit code 137|EOFException"
)


def _last_line(text: str) -> str:
    """Return the line of a stack trace with the Python exception, else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Warning)\b.*", line)]
    return f"a Spark job failed: {(raised or lines or ['no message'])[0]}"


@contextmanager
def _watching(context: SparkContext, group: str, label: str) -> Iterator[None]:
    """Emit events for the tasks of a job group, polled from Spark while progress is shown."""
    if not watched():
        yield
        return
    over = threading.Event()
    with track(label, unit="tasks") as work:
        thread = threading.Thread(target=_poll, args=(context, group, work, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        work.complete()  # the last tasks ended after the last poll


def _poll(context: SparkContext, group: str, work: Tracker, over: threading.Event) -> None:
    tracker = context.statusTracker()
    while not over.wait(0.2):
        jobs = [tracker.getJobInfo(number) for number in tracker.getJobIdsForGroup(group)]
        stages = [tracker.getStageInfo(s) for info in jobs if info for s in info.stageIds]
        done = sum(stage.numCompletedTasks for stage in stages if stage)
        work.reach(done, sum(stage.numTasks for stage in stages if stage))
