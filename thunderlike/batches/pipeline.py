"""Pipelines: a sequence of actions, run on each batch."""

from __future__ import annotations

import builtins
import copy
import dataclasses
import functools
import importlib
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from thunderlike.batches._steps import (
    Branch,
    Call,
    Rebatch,
    Repeat,
    Step,
    Update,
    count,
    probability,
    rebatched,
)
from thunderlike.batches.batch import Batch
from thunderlike.batches.execution import TARGETS
from thunderlike.batches.expressions import B, Expression, F, Scope, evaluated
from thunderlike.batches.index import Cursor, checked_size, cuts
from thunderlike.errors import EngineError, KeyMissingError, SpecError, WrongTypeError
from thunderlike.parallel.map import pmap
from thunderlike.progress import progress

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.batches.index import Cut, DatasetIndex

__all__ = ["Batches", "Once", "Pipeline"]


class _Source(Protocol):
    """The dataset of a pipeline; a :class:`~thunderlike.batches.Dataset` is one."""

    @property
    def index(self) -> DatasetIndex:
        """Labels of all items."""

    @property
    def indices(self) -> Array:
        """The same as an array."""

    def __len__(self) -> int:
        """Return the number of items."""

    def batch_at(self, cut: Cut) -> Batch:
        """Return the batch of a cut."""

    def create_batch(self, index: object, pos: bool = False) -> Batch:
        """Return the batch of some labels, or positions."""


class Batches:
    """Sequence of batches, made on access."""

    def __init__(self, make: Callable[[tuple[int, int, Cut]], Batch], found: list[Cut]) -> None:
        self._make, self._cuts = make, found

    def __len__(self) -> int:
        return len(self._cuts)

    def __getitem__(self, number: int) -> dict[str, Any]:
        position = range(len(self._cuts))[number]
        batch = self._make((position + 1, len(self._cuts), self._cuts[position]))
        batch._load()
        return {name: getattr(batch, name) for name in batch.components or ()}


APART = 1000  # random streams of one step are numbered within this


class _State:
    """State of a running pipeline: variables and the position of next_batch."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.variables: dict[str, Any] = {}
        self.locks: dict[str, AbstractContextManager[Any]] = {}
        self.how: dict[str, Any] | None = None
        self.batches: Iterator[Any] | None = None

    def named_lock(self, name: str) -> AbstractContextManager[Any]:
        """Return the lock of a name, the same each time."""
        with self.lock:
            return self.locks.setdefault(name, RLock())

    # Locks and iterators cannot be pickled: another process begins with the variables alone.

    def __getstate__(self) -> dict[str, Any]:
        return {"variables": self.variables}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(vars(_State()), variables=state["variables"])


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Actions in order; never changed, every call makes a longer one.

    Its config and variables are what changes: by :meth:`set_config`, :meth:`assign` and by steps.

    Parameters
    ----------
    dataset : Dataset or Expression, optional
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
    _namespaces: tuple[Any, ...] = ()
    _before: tuple[Any, ...] = ()
    _after: tuple[Any, ...] = ()
    _state: _State = field(default_factory=_State, repr=False)

    def __post_init__(self) -> None:
        if self.config is None:
            object.__setattr__(self, "config", {})
        if not isinstance(self.config, Mapping):
            raise WrongTypeError(f"config is a dict, not {self.config!r:.80}")

    # building

    def __getattr__(self, name: str) -> Callable[..., Self]:
        if not name.startswith("_"):
            if _is_action(self.dataset, name):
                return lambda *args, **kwargs: self._with(Step(name, args, kwargs))
            function = self._function(name)
            if function is not None:
                return functools.partial(self._called, function)
        raise AttributeError(f"no batch class has an action {name!r}, and no namespace that name")

    def _called(
        self, function: Callable[..., Any], *args: object, save_to: object = None, **kwargs: object
    ) -> Self:
        return self._with(Call(function, args, kwargs, first=False, save_to=save_to))

    def _function(self, name: str) -> Any:
        """Return a function of a namespace, or None."""
        for one in self._namespaces:
            space = importlib.import_module(one) if isinstance(one, str) else one
            if callable(getattr(space, name, None)):
                return getattr(space, name)
        return None

    def _with(self, *steps: object) -> Self:
        return self._changed(_steps=self._steps + steps)

    def _changed(self, **changes: object) -> Self:
        # Neither config nor variables are shared: a longer pipeline leaves this one as it is.
        own: dict[str, Any] = {"config": copy.copy(self.config), "_state": _State()}
        return dataclasses.replace(self, **{**own, **changes})

    def add_namespace(self, *namespaces: object) -> Self:
        """Let functions of modules be called as steps.

        Parameters
        ----------
        *namespaces : module, str or object
            A module, the name of one, or what has functions as attributes. A function of it is
            given the arguments of the step alone; ``save_to=`` says where its result goes.

        Examples
        --------
        >>> from thunderlike.batches import B, Dataset, V
        >>> pipeline = Dataset(4, preloaded={"x": np.arange(4)}).p.add_namespace(np)
        >>> pipeline = pipeline.init_variable("top").max(B.x, save_to=V("top"))
        >>> pipeline.run(4).v("top")
        np.int64(3)
        """
        # Modules by name: they cannot be pickled for other processes.
        names = tuple(one.__name__ if isinstance(one, ModuleType) else one for one in namespaces)
        for name in names:
            if isinstance(name, str):
                try:
                    importlib.import_module(name)
                except (ImportError, TypeError, ValueError) as error:
                    raise SpecError(f"namespace {name!r} cannot be imported: {error}") from error
        return self._changed(_namespaces=self._namespaces + names)

    def call(
        self, function: object, *args: object, save_to: object = None, **kwargs: object
    ) -> Self:
        """Call a function for each batch.

        Parameters
        ----------
        function : callable or Expression
            A batch that it returns takes the place of the one it was called for.
        *args, **kwargs
            Its arguments. The batch comes before them, unless ``B()`` is one of them: then it is
            where that is.
        save_to : Expression, ndarray, or tuple or list of them, optional
            Where the result is stored.
        """
        # B() as an argument says where the batch goes; else it comes first.
        given = any(isinstance(one, B) and one._name is None for one in (*args, *kwargs.values()))
        return self._with(Call(function, args, kwargs, first=not given, save_to=save_to))

    def print(self, *values: object, **named: object) -> Self:
        """Print values for each batch; expressions are evaluated.

        Examples
        --------
        >>> from thunderlike.batches import B, Dataset
        >>> _ = Dataset(3).p.print("items:", B.size).run(2)
        items: 2
        items: 1
        """
        texts = (F("{}={}".format)(name, value) for name, value in named.items())
        return self._called(builtins.print, *values, *texts)

    def update(self, place: object, value: object = None) -> Self:
        """Store a value where an expression such as ``V(...)`` points, or in an array."""
        return self._with(Update(place, value))

    def init_variable(self, name: str, default: object = None) -> Self:
        """Give the pipeline a variable; a callable default makes a new one for each run."""
        if not isinstance(name, str):
            raise WrongTypeError(f"a variable is named by text, not {name!r:.80}")
        return self._changed(_defaults={**self._defaults, name: default})

    def rebatch(
        self,
        batch_size: object,
        merge: Callable[..., Any] | None = None,
        components: object = None,
        batch_class: type[Batch] | None = None,
    ) -> Self:
        """Divide the items into batches of another size; the last may have fewer items.

        Parameters
        ----------
        batch_size : int or Expression
            Items of a batch.
        merge : callable, optional
            Instead of the ``merge`` of the batches' class, with the same arguments.
        components, batch_class : optional
            As in :meth:`Batch.merge`.
        """
        if not isinstance(batch_size, Expression):
            checked_size(batch_size)
        if not (merge is None or callable(merge)):
            raise WrongTypeError(f"merge is a function of batches, not {merge!r:.80}")
        how = {"components": components, "batch_class": batch_class}
        return self._with(Rebatch(batch_size, merge, how))

    @property
    def before(self) -> Once:
        """Steps that run once, before the first batch: ``pipeline.before.call(f).pipeline``."""
        return Once(self, "_before")

    @property
    def after(self) -> Once:
        """Steps that run once, after the last batch."""
        return Once(self, "_after")

    def __add__(self, other: object) -> Self:
        other = other.pipeline if isinstance(other, Once) else other
        if not isinstance(other, Pipeline):
            raise WrongTypeError(
                f"a pipeline is joined to a pipeline, not to {type(other).__name__}"
            )
        config = copy.copy(self.config)  # of its class, whose update() may merge what is nested
        config.update(other.config)
        return self._changed(
            dataset=self.dataset if self.dataset is not None else other.dataset,
            config=config,
            _steps=self._steps + other._steps,
            _defaults={**self._defaults, **other._defaults},
            _how=self._how or other._how,
            _namespaces=self._namespaces + other._namespaces,
            _before=self._before + other._before,
            _after=self._after + other._after,
        )

    def __mul__(self, times: object) -> Self:
        # Known only when it runs; a number of times is written out.
        if isinstance(times, Expression):
            return self._changed(_steps=(Repeat(self._steps, times),))
        return self._changed(_steps=self._steps * count(times))

    def __matmul__(self, odds: object) -> Self:
        if not isinstance(odds, Expression):
            probability(odds)
        return self._changed(_steps=(Branch(self._steps, odds),))

    def __lshift__(self, given: object) -> Self:
        if isinstance(given, Mapping):
            return self._changed().set_config(given)
        return self._changed(dataset=given)

    __rrshift__ = __lshift__

    # config

    def set_config(self, config: Mapping[str, Any], clear: bool = False) -> Self:
        """Change entries of the config, of this pipeline and of nothing made from it before.

        Parameters
        ----------
        clear : bool
            Forget all other entries.
        """
        if not isinstance(config, Mapping):
            raise WrongTypeError(f"config is a dict, not {config!r:.80}")
        if clear:
            self.config.clear()
        self.config.update(config)
        return self

    @property
    def index(self) -> Any:
        """Index of the dataset."""
        return self._source().index

    @property
    def indices(self) -> Any:
        """Labels of the dataset."""
        return self._source().indices

    def _source(self) -> _Source:
        """Return the dataset, which is needed from here on."""
        found: _Source | None = evaluated(self.dataset, Scope(pipeline=self))
        if found is None:
            raise EngineError("the pipeline has no dataset: dataset >> pipeline gives it one")
        if not hasattr(found, "batch_at"):
            raise WrongTypeError(f"a pipeline runs on a Dataset, not on {type(found).__name__}")
        return found

    # variables

    def v(self, name: str) -> Any:
        """Value of a variable.

        Raises
        ------
        KeyMissingError
            For one that was not initialised.
        """
        if not isinstance(name, str):
            raise WrongTypeError(f"a variable is named by text, not {name!r:.80}")
        with self._state.lock:  # entered again where a default asks for another variable
            if name not in self._state.variables:
                self._state.variables[name] = self._first(name)
            return self._state.variables[name]

    def assign(self, name: str, value: object) -> None:
        """Set a variable.

        Raises
        ------
        KeyMissingError
            For one that was not initialised.
        """
        with self._state.lock:
            self.v(name)
            self._state.variables[name] = value

    def append(self, name: str, value: object) -> None:
        """Append to a variable that is a list; else as :meth:`assign`."""
        with self._state.lock:
            held = self.v(name)
            self.assign(name, [*held, value] if isinstance(held, list) else value)

    def _first(self, name: str) -> Any:
        if name not in self._defaults:
            raise KeyMissingError(
                f"no variable {name!r}: call init_variable({name!r}, default) first"
            )
        default = self._defaults[name]
        if isinstance(default, Expression):
            try:
                return evaluated(default, Scope(pipeline=self))
            except RecursionError:
                raise SpecError(f"the default of variable {name!r} asks for itself") from None
        # Copied, since pipelines made from this one begin with the same default.
        if isinstance(default, list | dict | set):
            return copy.copy(default)
        return default() if callable(default) else default

    def locked(self, name: str | None = None) -> AbstractContextManager[Any]:
        """Keep others out, within a ``with`` block: of the variables, or of a lock of that name."""
        return self._state.lock if name is None else self._state.named_lock(name)

    def reset(self, *what: object) -> None:
        """Begin again.

        Parameters
        ----------
        *what : {'iter', 'variables', 'all'}
            The batches of :meth:`next_batch`, by default; or the variables; or both.
        """
        names = what[0] if len(what) == 1 and isinstance(what[0], list | tuple) else what
        known = {"iter": "iter", True: "iter", "vars": "variables", "variables": "variables"}
        for one in names:
            if not isinstance(one, str | bool | type(None)):
                raise WrongTypeError(f"reset takes 'iter', 'variables' or 'all', not {one!r:.80}")
        chosen = {"all" if one == "all" else known.get(one) for one in names or ("iter",) if one}
        if None in chosen:
            raise SpecError(f"reset takes 'iter', 'variables' or 'all', not {what!r:.80}")
        if chosen & {"iter", "all"}:
            self._state.how = self._state.batches = None
        if chosen & {"variables", "all"}:
            self._state.variables.clear()

    # running

    def execute_for(self, batch: object) -> Any:
        """Run all steps on one batch."""
        if not isinstance(batch, Batch):
            raise WrongTypeError(f"a pipeline runs on batches, not on {type(batch).__name__}")
        return self._execute(batch, 0, len(self._steps))

    def _execute(self, batch: Batch, first: int, last: int) -> Any:
        batch._pipeline = self
        for number, step in enumerate(self._steps[first:last], first):
            batch._calls = number * APART  # one that was skipped changes no later draw
            batch = step.run(batch)
            batch._pipeline = self  # a step may return another batch
        return batch

    def create_batch(self, index: object, *, pos: bool = False) -> Any:
        """Run all steps on the batch of some labels, or positions."""
        return self.execute_for(self._source().create_batch(index, pos=pos))

    def gen_batch(
        self,
        batch_size: object = None,
        *,
        shuffle: object = False,
        seed: int | None = None,
        n_iters: int | None = None,
        n_epochs: int | None = None,
        drop_last: bool = False,
        wrap: bool = False,
        prefetch: int = 0,
        target: str = "threads",
        on_error: str = "raise",
        ignore_exceptions: bool = False,
        notifier: object = None,
    ) -> Iterator[Any]:
        """Batches on which all steps have run.

        Parameters
        ----------
        batch_size, shuffle, n_iters, n_epochs, drop_last, wrap
            As in :func:`~thunderlike.batches.index.cuts`; one epoch by default. Without a size,
            all arguments are those of ``run(..., lazy=True)``.
        seed : int, optional
            Of all random streams; the seed of `shuffle` by default, else a new one each time.
        prefetch : int
            Batches made ahead of the one asked for.
        target : {'threads', 'mpc', 'for'}
            Backend that makes them.
        on_error : {'raise', 'skip'}
            Raise at the place of the batch that failed, or leave it out.
        notifier : bool or callable, optional
            True shows a progress bar; a function is called with each batch.

        Raises
        ------
        EngineError
            Without a dataset.
        """
        if batch_size is None:
            return self.gen_batch(**self._remembered())
        if n_iters is None and n_epochs is None:
            n_epochs = 1
        return self._generated(
            batch_size,
            shuffle=shuffle,
            seed=seed,
            n_iters=n_iters,
            n_epochs=n_epochs,
            drop_last=drop_last,
            wrap=wrap,
            prefetch=prefetch,
            target=target,
            on_error=on_error,
            ignore_exceptions=ignore_exceptions,
            notifier=notifier,
        )

    def _remembered(self) -> dict[str, Any]:
        if self._how is None:
            raise EngineError("give a batch_size, here or in run(..., lazy=True) before")
        how = {name: value for name, value in self._how.items() if value is not None}
        if not isinstance(how.get("batch_size"), int | np.integer | Expression):
            raise EngineError("give a batch_size: the lazy run has none")
        return how

    def _generated(self, batch_size: object, **how: Any) -> Iterator[Any]:
        """Yield batches; without n_iters and n_epochs they never end."""
        scope = Scope(pipeline=self)
        dataset = self._source()
        size = checked_size(evaluated(batch_size, scope))
        how = {name: evaluated(value, scope) for name, value in how.items()}
        target, prefetch = how.pop("target", "threads"), how.pop("prefetch", 0)
        if not isinstance(target, str) or target not in TARGETS:
            raise SpecError(f"target is one of {', '.join(TARGETS)}, not {target!r:.80}")
        prefetch = count(int(prefetch) if isinstance(prefetch, bool) else prefetch)
        seed, on_error = how.pop("seed", None), how.pop("on_error", "raise")
        ignored = how.pop("ignore_exceptions", False)
        if not isinstance(ignored, bool | np.bool_ | int | type(None)):
            raise WrongTypeError(f"ignore_exceptions must be True or False, not {ignored!r:.80}")
        on_error = "skip" if ignored else on_error
        if not isinstance(on_error, str):
            raise WrongTypeError(f"on_error is 'raise' or 'skip', not {on_error!r:.80}")
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise WrongTypeError(f"seed is a whole number from 0 on, not {seed!r:.80}")
        notifier = _notified(how.pop("notifier", None))
        try:  # what is left are options of the cursor, or unknown ones
            cursor = Cursor(len(dataset), **how)
        except TypeError as error:
            raise WrongTypeError(
                f"gen_batch: {error}".replace("Cursor.__init__()", "it")
            ) from error
        total = cursor.total(size)
        seed = seed if seed is not None else _seed_of(how.get("shuffle", False))
        stop = self._next_rebatch(0)
        found = ((k, total, cut) for k, cut in enumerate(cursor.batches(size), start=1))
        batches = pmap(
            functools.partial(self._made, dataset, int(seed), stop),
            found,
            backend=TARGETS[target] if prefetch else "serial",
            workers=prefetch + 1,  # one for the batch that is asked for
            window=prefetch + 1,
            on_error=on_error,
            progress="batches",
        )
        return self._watched(self._continued(batches, stop), dataset, notifier)

    def _made(
        self, dataset: _Source, seed: int, stop: int, numbered: tuple[int, int | None, Cut]
    ) -> Any:
        """Make the batch of a number, of how many, and a cut; run the first steps on it."""
        number, total, cut = numbered
        batch = dataset.batch_at(cut)
        batch._seed = seed
        batch.iteration, batch.iterations = number, total
        return self._execute(batch, 0, stop)

    def _watched(
        self, batches: Iterator[Any], dataset: _Source, notifier: _Notifier
    ) -> Iterator[Any]:
        """Run the steps before and after, and report each batch to the notifier."""
        scope = Scope(pipeline=self)
        for step in self._before:
            step.run(scope)
        shown, note = notifier
        with shown():
            for batch in batches:
                batch._pipeline, batch._dataset = self, dataset
                note(batch)
                yield batch
        for step in self._after:
            step.run(scope)

    def _next_rebatch(self, first: int) -> int:
        return next(
            (k for k, s in enumerate(self._steps) if k >= first and isinstance(s, Rebatch)),
            len(self._steps),
        )

    def _continued(self, batches: Iterator[Any], stop: int) -> Iterator[Any]:
        """Run the steps from a rebatch on."""
        if stop == len(self._steps):
            return batches
        # In this thread: where a new batch ends depends on how many items came before it.
        end, step = self._next_rebatch(stop + 1), self._steps[stop]
        size = checked_size(evaluated(step.size, Scope(pipeline=self)))

        def executed() -> Iterator[Any]:
            for number, batch in enumerate(rebatched(batches, size, step), start=1):
                batch.iteration, batch.iterations = number, None
                yield self._execute(batch, stop + 1, end)

        return self._continued(executed(), end)

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
            For a pipeline with a rebatch, whose batches have no numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from thunderlike.batches import Dataset
        >>> batches = Dataset(5, preloaded={"x": np.arange(5)}).p.sequence(2)
        >>> len(batches), batches[2]
        (3, {'x': array([4])})
        """
        dataset = self._source()
        if any(isinstance(step, Rebatch) for step in self._steps):
            raise SpecError("batches after a rebatch have no numbers: leave out rebatch")
        found = cuts(
            len(dataset), batch_size, shuffle=shuffle, n_epochs=n_epochs, drop_last=drop_last
        )
        seed = seed if seed is not None else _seed_of(shuffle)
        make = functools.partial(self._made, dataset, seed, len(self._steps))
        return Batches(make, list(found))

    def next_batch(self, batch_size: object = None, **how: Any) -> Any:
        """Return the next batch; they never end unless `n_epochs` or `n_iters` says so.

        Without a size, all arguments are those of ``run(..., lazy=True)``.

        Raises
        ------
        StopIteration
            When they are over; :meth:`reset` begins again.
        """
        if batch_size is None:
            how = {**self._remembered(), **how}
        else:
            how = {"batch_size": batch_size, **how}
        state = self._state
        if state.batches is None or not _same(state.how, how):
            state.how, state.batches = how, self._generated(**how)
        return next(state.batches)

    def run(self, batch_size: object = None, *, lazy: bool = False, **how: Any) -> Self:
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
            how = {**self._how, **how}
            batch_size = how.pop("batch_size")
        # gen_batch ends after one epoch by default; asked for no end, a run has none.
        endless = "n_epochs" in how and how["n_epochs"] is None and how.get("n_iters") is None
        if endless:
            warnings.warn("without n_epochs and n_iters the pipeline never stops", stacklevel=2)
        for _ in (self._generated if endless else self.gen_batch)(batch_size, **how):
            pass
        return self


class Once:
    """Steps of a pipeline that run once, before or after all batches.

    Each call makes a longer pipeline, which is :attr:`pipeline`.

    Examples
    --------
    >>> from thunderlike.batches import Dataset, V
    >>> pipeline = Dataset(4).p.init_variable("seen", []).before.update(V("seen"), [0]).pipeline
    >>> pipeline.call(lambda batch: pipeline).run(2).v("seen")
    [0]
    """

    def __init__(self, pipeline: Pipeline, kind: str) -> None:
        self.pipeline, self._kind = pipeline, kind

    def _with(self, step: object) -> Once:
        steps = (*getattr(self.pipeline, self._kind), step)
        return Once(self.pipeline._changed(**{self._kind: steps}), self._kind)

    def __getattr__(self, name: str) -> Callable[..., Once]:
        function = None if name.startswith("_") else self.pipeline._function(name)
        if function is None:
            raise AttributeError(f"no namespace has a function {name!r}: add_namespace adds one")
        return functools.partial(self.call, function)

    def call(
        self, function: object, *args: object, save_to: object = None, **kwargs: object
    ) -> Once:
        """Call a function; `save_to` is where its result is stored."""
        return self._with(Call(function, args, kwargs, first=False, save_to=save_to))

    def update(self, place: object, value: object = None) -> Once:
        """Store a value."""
        return self._with(Update(place, value))

    def init_variable(self, name: str, default: object = None) -> Once:
        """Give the pipeline a variable."""
        return Once(self.pipeline.init_variable(name, default), self._kind)

    def add_namespace(self, *namespaces: object) -> Once:
        """Let functions of modules be called."""
        return Once(self.pipeline.add_namespace(*namespaces), self._kind)

    def __add__(self, other: object) -> Pipeline:
        return self.pipeline + other


def _seed_of(shuffle: object) -> int:
    if isinstance(shuffle, int | np.integer) and not isinstance(shuffle, bool):
        return int(shuffle)
    return secrets.randbits(128)


def _same(one: dict[str, Any] | None, other: dict[str, Any]) -> bool:
    """Return whether two calls have the same arguments."""
    if one is None or one.keys() != other.keys():
        return False
    plain = (bool, int, float, str, np.integer, type(None))
    pairs = [(value, other[name]) for name, value in one.items()]
    # Expressions and generators are compared by identity: == of an expression is another one.
    return all(
        a == b if isinstance(a, plain) and isinstance(b, plain) else a is b for a, b in pairs
    )


_Notifier = tuple[Callable[[], AbstractContextManager[Any]], Callable[[Any], Any]]


def _notified(notifier: object) -> _Notifier:
    """Return a context for progress, and a function that is called with each batch."""
    if isinstance(notifier, dict):
        notifier = notifier.get("bar")
    if callable(notifier):
        return nullcontext, notifier
    if notifier is None or isinstance(notifier, bool | str):
        return (progress if notifier else nullcontext), lambda _: None
    raise WrongTypeError(f"notifier is a bool or a function of the batch, not {notifier!r:.80}")


def _is_action(dataset: object, name: str) -> bool:
    """Return whether a name is an action: of the dataset's batches, or of any batch class."""
    # A dataset that is an expression is known when the pipeline runs, as is its class of batches.
    known = getattr(dataset, "batch_class", None) if not isinstance(dataset, Expression) else None
    classes: list[type] = [Batch if known is None else known]
    while classes:
        one = classes.pop()
        if hasattr(getattr(one, name, None), "is_action"):
            return True
        # Without a dataset yet, any class of batches may be meant.
        classes += one.__subclasses__() if known is None else []
    return False
