"""Actions written down once and run on every batch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

from thunderlike.batches.batch import Batch
from thunderlike.batches.calls import TARGETS
from thunderlike.batches.cuts import cuts
from thunderlike.batches.making import Batches, Made
from thunderlike.batches.steps import Call, Perhaps, Rebatch, Step, Update, rebatched
from thunderlike.errors import EngineError, KeyMissing, SpecError
from thunderlike.parallel.maps import pmap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike.batches.expressions import Expression

__all__ = ["Pipeline"]

APART = 1000  # random streams of one step are numbered within this


@dataclass(frozen=True)
class Pipeline:
    """Actions in order; never changed, every call makes a longer one.

    Parameters
    ----------
    dataset : Dataset, optional
        What it runs on; ``dataset >> pipeline`` gives it one later.
    config : dict, optional
        What ``C('name')`` gives.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.batches import B, Dataset, V
    >>> dataset = Dataset(5, preloaded={"x": np.arange(5.0)})
    >>> pipeline = (
    ...     dataset.p.init_variable("sizes", [])
    ...     .apply_parallel(np.square, src="x")
    ...     .update(V("sizes", mode="a"), B.size)
    ... )
    >>> [batch.x.tolist() for batch in pipeline.gen_batch(3)], pipeline.v("sizes")
    ([[0.0, 1.0, 4.0], [9.0, 16.0]], [3, 2])
    """

    dataset: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    _steps: tuple[Any, ...] = ()
    _defaults: dict[str, Any] = field(default_factory=dict)
    _how: dict[str, Any] | None = None
    _state: _State = field(default_factory=lambda: _State(), compare=False, repr=False)  # noqa: PLW0108  # it stands below

    # building

    def __getattr__(self, name: str) -> Callable[..., Pipeline]:
        if name.startswith("_") or not _is_action(self.dataset, name):
            raise AttributeError(f"no batch class has an action {name!r}")
        return lambda *args, **kwargs: self._with(Step(name, args, kwargs))

    def _with(self, *steps: Any) -> Pipeline:
        return self._changed(_steps=self._steps + steps)

    def _changed(self, **changes: Any) -> Pipeline:
        fields = {
            name: getattr(self, name)
            for name in ("dataset", "config", "_steps", "_defaults", "_how")
        }
        return Pipeline(**{**fields, **changes})

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Pipeline:
        """Call a function of each batch."""
        return self._with(Call(function, args, kwargs))

    def update(self, place: Expression, value: Any) -> Pipeline:
        """Store a value where ``V(...)`` or ``B(...)`` points."""
        return self._with(Update(place, value))

    def init_variable(self, name: str, default: Any = None) -> Pipeline:
        """Give the pipeline a variable; a callable default makes a new one for each run."""
        return self._changed(_defaults={**self._defaults, name: default})

    def rebatch(self, batch_size: int) -> Pipeline:
        """Cut the batches anew; the last may have fewer items."""
        if batch_size < 1:
            raise SpecError(f"batch_size must be at least 1, not {batch_size}")
        return self._with(Rebatch(batch_size))

    def __add__(self, other: Pipeline) -> Pipeline:
        return self._changed(
            dataset=self.dataset or other.dataset,
            config={**self.config, **other.config},
            _steps=self._steps + other._steps,
            _defaults={**self._defaults, **other._defaults},
        )

    def __mul__(self, times: int) -> Pipeline:
        if times < 0:
            raise SpecError(f"a pipeline runs 0 times or more, not {times}")
        return self._changed(_steps=self._steps * times)

    def __matmul__(self, odds: float) -> Pipeline:
        if not 0 <= odds <= 1:
            raise SpecError(f"a probability lies in 0 .. 1, not {odds}")
        return self._changed(_steps=(Perhaps(self._steps, odds),))

    def __lshift__(self, dataset: Any) -> Pipeline:
        return self._changed(dataset=dataset)

    def __rrshift__(self, dataset: Any) -> Pipeline:
        return self._changed(dataset=dataset)

    # variables

    def v(self, name: str) -> Any:
        """Value of a variable.

        Raises
        ------
        KeyMissing
            For one that was not initialised.
        """
        with self._state.lock:
            if name not in self._state.variables:
                self._state.variables[name] = self._first(name)
            return self._state.variables[name]

    def assign(self, name: str, value: Any) -> None:
        """Set a variable.

        Raises
        ------
        KeyMissing
            For one that was not initialised.
        """
        with self._state.lock:
            self.v(name)
            self._state.variables[name] = value

    def append(self, name: str, value: Any) -> None:
        """Append to a variable that is a list; else as :meth:`assign`."""
        with self._state.lock:
            self.assign(name, [*self.v(name), value])

    def _first(self, name: str) -> Any:
        if name not in self._defaults:
            raise KeyMissing(f"no variable {name!r}: call init_variable({name!r}, default) first")
        default = self._defaults[name]
        return default() if callable(default) else default

    # running

    def execute_for(self, batch: Any) -> Any:
        """Run all steps on one batch."""
        return self._execute(batch, 0, len(self._steps))

    def _execute(self, batch: Any, first: int, last: int) -> Any:
        batch._pipeline = self
        for number, step in enumerate(self._steps[first:last], first):
            batch._calls = number * APART  # one that was skipped changes no later draw
            batch = step.run(batch)
            batch._pipeline = self
        return batch

    def gen_batch(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int | None = None,
        n_iters: int | None = None,
        n_epochs: int | None = None,
        drop_last: bool = False,
        wrap: bool = False,
        prefetch: int = 0,
        target: str = "threads",
        on_error: str = "raise",
        ignore_exceptions: bool = False,
    ) -> Iterator[Any]:
        """Batches on which all steps have run.

        Parameters
        ----------
        batch_size, shuffle, n_iters, n_epochs, drop_last, wrap
            As in :func:`~thunderlike.batches.cuts.cuts`; one epoch by default.
        seed : int, optional
            Of all random streams; the seed of `shuffle` by default, else a new one each time.
        prefetch : int
            Batches made ahead of the one asked for.
        target : {'threads', 'mpc', 'for'}
            Who makes them.
        on_error : {'raise', 'skip'}
            Raise at the place of the batch that failed, or leave it out.

        Raises
        ------
        EngineError
            Without a dataset.
        """
        if self.dataset is None:
            raise EngineError("the pipeline has no dataset: dataset >> pipeline gives it one")
        if target not in TARGETS:
            raise SpecError(f"target is one of {', '.join(TARGETS)}, not {target!r}")
        if n_iters is None and n_epochs is None:
            n_epochs = 1
        ends = {"n_iters": n_iters, "n_epochs": n_epochs, "drop_last": drop_last, "wrap": wrap}
        found = cuts(len(self.dataset), batch_size, shuffle=shuffle, **ends)  # type: ignore[arg-type]
        seed = seed if seed is not None else _seed_of(shuffle)
        stop = next(
            (k for k, s in enumerate(self._steps) if isinstance(s, Rebatch)), len(self._steps)
        )
        batches = pmap(
            Made(self, self.dataset, seed, stop),
            found,
            backend=TARGETS[target] if prefetch else "serial",
            workers=prefetch + 1,
            window=prefetch + 1,
            on_error="skip" if ignore_exceptions else on_error,
            progress="batches",
        )
        return self._after(batches, stop)

    def _after(self, batches: Iterator[Any], stop: int) -> Iterator[Any]:
        """Steps from a rebatch on."""
        if stop == len(self._steps):
            return self._owned(batches)
        following = (k for k, s in enumerate(self._steps) if isinstance(s, Rebatch) and k > stop)
        end = next(following, len(self._steps))
        cut = rebatched(batches, self._steps[stop].size)
        return self._after((self._execute(batch, stop + 1, end) for batch in cut), end)

    def _owned(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            batch._pipeline, batch._dataset = self, self.dataset
            yield batch

    def sequence(
        self,
        batch_size: int,
        *,
        shuffle: bool | int = False,
        seed: int | None = None,
        n_epochs: int = 1,
        drop_last: bool = False,
    ) -> Batches:
        """Batches by number, as dicts of components: for ``torch.utils.data.DataLoader``.

        Give it to a loader with ``batch_size=None``. Whichever worker of it makes a batch, it is
        the same one.

        Raises
        ------
        EngineError
            Without a dataset.
        SpecError
            For a pipeline that cuts batches anew: they have no numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from thunderlike.batches import Dataset
        >>> batches = Dataset(5, preloaded={"x": np.arange(5)}).p.sequence(2)
        >>> len(batches), batches[2]
        (3, {'x': array([4])})
        """
        if self.dataset is None:
            raise EngineError("the pipeline has no dataset: dataset >> pipeline gives it one")
        if any(isinstance(step, Rebatch) for step in self._steps):
            raise SpecError("batches that are cut anew have no numbers: leave out rebatch")
        found = cuts(
            len(self.dataset), batch_size, shuffle=shuffle, n_epochs=n_epochs, drop_last=drop_last
        )
        seed = seed if seed is not None else _seed_of(shuffle)
        return Batches(Made(self, self.dataset, seed, len(self._steps)), list(found))

    def next_batch(self, batch_size: int, **how: Any) -> Any:
        """The next of batches that never end."""
        key = (batch_size, tuple(sorted(how.items())))
        if self._state.key != key:
            endless = {} if "n_epochs" in how else {"n_iters": how.pop("n_iters", 2**62)}
            self._state.key, self._state.batches = key, self.gen_batch(batch_size, **endless, **how)
        return next(self._state.batches)

    def run(self, batch_size: int | None = None, *, lazy: bool = False, **how: Any) -> Pipeline:
        """Run on all batches, for what the steps do; or, lazily, remember how for ``run()``.

        Raises
        ------
        EngineError
            Without a batch size, unless a lazy run was called before.
        """
        if lazy:
            return self._changed(_how={"batch_size": batch_size, **how})
        if batch_size is None:
            if self._how is None:
                raise EngineError("run() needs a batch_size, here or in run(..., lazy=True) before")
            return self._run(**{**self._how, **how})
        return self._run(batch_size, **how)

    def _run(self, batch_size: int, **how: Any) -> Pipeline:
        if "n_epochs" in how and how["n_epochs"] is None and how.get("n_iters") is None:
            warnings.warn("without n_epochs and n_iters the pipeline never stops", stacklevel=3)
            how["n_iters"] = 2**62
        for _ in self.gen_batch(batch_size, **how):
            pass
        return self


class _State:
    """What changes while a pipeline runs: variables, and where next_batch is."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.variables: dict[str, Any] = {}
        self.key: Any = None
        self.batches: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"variables": self.variables}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        self.variables = state["variables"]


def _seed_of(shuffle: bool | int) -> int:
    import numpy as np

    return int(np.random.SeedSequence().entropy if isinstance(shuffle, bool) else shuffle)  # type: ignore[arg-type]


def _is_action(dataset: Any, name: str) -> bool:
    """Tell if it is an action of the dataset's batches; without one, of any batch class."""
    classes = [dataset.batch_class] if dataset is not None else _family(Batch)
    return any(hasattr(getattr(one, name, None), "is_action") for one in classes)


def _family(root: Any) -> Iterator[Any]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)
