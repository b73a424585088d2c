"""What a batch does to its items: functions over each, random choices, and who runs them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.batches.assembling import Collected
from thunderlike.batches.calls import Call
from thunderlike.batches.chunks import Failed, Listed
from thunderlike.batches.expressions import PerItem, evaluated
from thunderlike.batches.work import Work, accepted, arguments
from thunderlike.errors import SpecError
from thunderlike.parallel.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thunderlike.batches.batch import Batch

__all__ = ["Actions", "action", "apply_parallel"]

Names = str | tuple[str, ...]


def action(method: Callable[..., Any] | None = None, **_marks: Any) -> Any:
    """Mark a method of a batch class as an action of pipelines.

    Its arguments may be named expressions. One that returns None counts as having returned the
    batch.
    """
    if method is None:
        return functools.partial(action, **_marks)

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = evaluated((args, kwargs), self)
        found = method(self, *args, **kwargs)
        return self if found is None else found

    run.is_action = True  # type: ignore[attr-defined]
    return run


def apply_parallel(method: Callable[..., Any] | None = None, **defaults: Any) -> Any:
    """Make a method of one item an action on a whole batch.

    Keyword arguments are defaults of the call: ``@apply_parallel(target='for', src='image')``. The
    method itself stays reachable under its name between underscores, ``_crop_``.
    """
    if method is None:
        return functools.partial(apply_parallel, **defaults)
    return _ItemMethod(method, defaults)


class _ItemMethod:
    """Puts the method and its action into the class in whose body it stands."""

    def __init__(self, method: Callable[..., Any], defaults: dict[str, Any]) -> None:
        self.method, self.defaults = method, defaults

    def __set_name__(self, owner: type, name: str) -> None:
        defaults, inner = self.defaults, f"_{name}_"

        @functools.wraps(self.method)
        def run(batch: Any, *args: Any, **kwargs: Any) -> Any:
            call = {**batch.apply_defaults, **defaults, **kwargs}
            here = call.get("target", "threads") not in ("mpc", "m", "spark", "s")
            owner_of_call = batch if here else batch._light()
            return batch.apply_parallel(getattr(owner_of_call, inner), *args, **call)

        setattr(owner, inner, self.method)
        setattr(owner, name, action(run))


class Actions:
    """Parallel actions of a batch; :class:`~thunderlike.batches.Batch` is one."""

    apply_defaults: dict[str, Any] = {"target": "threads", "post": "_assemble"}  # noqa: RUF012

    def __init__(self) -> None:
        self._seed: int | None = None
        self._random: np.random.Generator | None = None
        self._calls = 0

    # random numbers

    @property
    def random_seed(self) -> int:
        """What its random streams come from: its own, or drawn now."""
        if self._seed is None:
            self._seed = int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]
        return self._seed

    @random_seed.setter
    def random_seed(self, seed: int | np.random.SeedSequence) -> None:
        entropy = seed.entropy if isinstance(seed, np.random.SeedSequence) else seed
        self._seed, self._random, self._calls = int(entropy), None, 0  # type: ignore[arg-type]

    @property
    def random(self: Any) -> np.random.Generator:
        """The random stream of the batch as a whole; SFC64."""
        if self._random is None:
            first = int(self._cut.epochs[0]), int(self._cut.positions[0])
            self._random = generator(self.random_seed, *first, 2**31)
        return self._random

    def _keys(self: Any) -> list[tuple[int, ...]]:
        """What the random stream of each item depends on: never who is in the batch with it."""
        self._calls += 1
        where = zip(self._cut.epochs.tolist(), self._cut.positions.tolist(), strict=True)
        return [(self.random_seed, epoch, position, self._calls) for epoch, position in where]

    # actions

    @action
    def apply_parallel(
        self: Any,
        func: Callable[..., Any],
        *args: Any,
        init: Any = None,
        post: Any = None,
        src: Any = None,
        dst: Any = None,
        p: Any = None,
        target: str | None = None,
        requires_rng: bool = False,
        rng_seeds: Any = None,
        n_workers: int | None = None,
        timeout: float | None = None,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Call a function for each item and put the results together.

        Parameters
        ----------
        func : callable
            Takes an item of `src`, then `args` and `kwargs`; `src` and `dst` too, where it has
            parameters of those names.
        init
            Instead of `src`: items as a container, the name of an attribute or method of the batch
            (``'indices'``), or a callable; each is the arguments of a call.
        post : str, callable or False
            What makes the return value of the results; False returns them as a list.
        src : str, tuple or list
            A component; a tuple of some, whose values are given together as one tuple; a list of
            some, done one after the other; or an array.
        dst : str, tuple or list
            Where results go: a component, made if there is none; a tuple of them, when `func`
            returns as many values; by default `src`.
        p : float or array, optional
            Probability with which an item is changed, for all or for each.
        target : {'threads', 'for', 'mpc', 'spark', 'async'}
            Who runs it.
        requires_rng : bool
            Give each item ``rng``, a random stream that depends on the seed, the epoch, the place
            of the item in the index and how many such calls came before.
        rng_seeds : int or sequence of int, optional
            Seeds of these streams, for each item; of a single one each item has its own child.
        n_workers : int, optional
            Threads or processes.
        timeout : float, optional
            Seconds, after which TimeoutError is raised and nothing more is begun.
        on_error : {'raise', 'collect', 'skip'}
            Stop at the first error; run all and raise then; or return a batch without those items.

        Returns
        -------
        Batch
            Itself, unless `post` says otherwise. Nothing is stored when any item of any `src`
            fails.

        Raises
        ------
        BatchError
            When `func` raises; ``.errors`` has the labels and exceptions.
        SpecError
            For what does not fit: destinations, lengths, probabilities, names.

        Examples
        --------
        >>> from thunderlike.batches import Batch
        >>> batch = Batch.from_data(data={"a": np.arange(4.0), "b": np.ones(4)})
        >>> batch.apply_parallel(lambda ab: ab[0] + ab[1], src=("a", "b"), dst="sum").sum
        array([1., 2., 3., 4.])
        """
        defaults = self.apply_defaults
        post = defaults.get("post", "_assemble") if post is None else post
        pairs = _pairs(src if src is not None else defaults.get("src"), dst)
        chosen = self._chosen(p)
        keys = self._item_keys(rng_seeds) if requires_rng else []
        own = _Own(args, kwargs)
        done = []
        for one_src, one_dst in pairs:
            offered = {"src": one_src, "dst": one_dst}
            fixed = {**accepted(func, offered), **own.kwargs}
            work = Work(_bound(func, own.args), fixed, rng=requires_rng)
            call = Call(
                work, target or defaults.get("target", "threads"), n_workers, timeout, on_error
            )
            done.append(_Round(self, one_src, one_dst, init, chosen, keys).run(call, post, own))
        return self._finished(done, post, kwargs)

    def _finished(self: Any, done: list[_Round], post: Any, kwargs: dict[str, Any]) -> Any:
        if post is False:
            return done[0].results() if len(done) == 1 else [one.results() for one in done]
        if post != "_assemble" or type(self)._assemble is not Actions._assemble:
            call = getattr(self, post) if isinstance(post, str) else post
            found = [
                call(r.results(), src=r.src, dst=r.dst, **accepted(call, kwargs)) for r in done
            ]
            return found[-1]
        arrays = [one.arrays() for one in done]  # all are there before any is stored
        failed = set().union(*(one.failed() for one in done))
        kept = np.array([k for k in range(len(self)) if k not in failed], dtype=np.intp)
        batch = self._part(kept) if failed else self
        for one, values in zip(done, arrays, strict=True):
            for name, array in zip(one.names(), values, strict=True):
                _store(batch, name, array if batch is self else array[kept])
        return batch

    def _assemble(self, results: list[Any], src: Any = None, dst: Any = None) -> Any:
        """Put results into components; to be overridden."""
        for name, array in zip(
            _names(dst or src), _columns(results, _names(dst or src)), strict=True
        ):
            _store(self, name, array)
        return self

    def _chosen(self: Any, p: Any) -> Any:
        """Which items are changed, or None for all."""
        if p is None:
            return None
        odds = np.asarray(p, dtype=float)
        if odds.ndim and odds.shape != (len(self),):
            raise SpecError(f"p has {odds.size} probabilities for {len(self)} items: one for each")
        if not ((odds >= 0) & (odds <= 1)).all():
            raise SpecError(f"a probability lies in 0 .. 1, not {p!r}")
        drawn = [generator(key[0], *key[1:]).random() for key in self._keys()]
        return np.asarray(drawn) < odds

    def _item_keys(self: Any, seeds: Any) -> list[tuple[int, ...]]:
        if seeds is None:
            return self._keys()
        if isinstance(seeds, int | np.integer):
            where = zip(self._cut.epochs.tolist(), self._cut.positions.tolist(), strict=True)
            return [(int(seeds), epoch, position) for epoch, position in where]
        if len(seeds) != len(self):
            raise SpecError(f"{len(seeds)} seeds for {len(self)} items: give one for each")
        return [(int(seed),) for seed in seeds]

    @action
    def to_array(
        self: Any,
        src: Any = None,
        dst: Any = None,
        dtype: Any = "float32",
        channels: str | None = "last",
    ) -> Any:
        """Cast items to a dtype, and give images an axis of channels.

        Parameters
        ----------
        dtype : dtype or None
            None keeps what they are.
        channels : {'last', 'first', None}
            Where the new axis of an image of two goes. Of items with more axes the last one is
            moved to the front for ``'first'``; items of one axis stay as they are.
        """
        self._load()
        names = list(self.components) if src is None else src
        return self.apply_parallel(
            _to_array, src=names, dst=dst, target="for", as_dtype=dtype, channels=channels
        )

    @action
    def do_nothing(self, *_args: Any, **_kwargs: Any) -> Self:
        """Return itself."""
        return self

    def run_once(self: Any) -> list[list[Any]]:
        """As `init`: one single call, without arguments."""
        self._load()
        return [[]]

    @staticmethod
    def get_errors(results: Sequence[Any]) -> list[Exception] | None:
        """Pick the exceptions in a list, or None."""
        return [one for one in results if isinstance(one, Exception)] or None


class _Round:
    """One source and its destination, with the results."""

    def __init__(
        self, batch: Batch, src: Any, dst: Any, init: Any, chosen: Any, keys: list[Any]
    ) -> None:
        self.batch, self.src = batch, src
        self.dst = dst if dst is not None else src
        self._spread = not (init is None or (isinstance(init, str) and init == "data"))
        self._items = self._from(init) if self._spread else self._sources()
        self._keys = keys
        self._positions = np.arange(len(self._items)) if chosen is None else np.flatnonzero(chosen)
        self._all = chosen is None
        self._found: Any = None
        self._failed: list[Failed] = []

    def _sources(self) -> Any:
        if isinstance(self.src, str):
            return _component(self.batch, self.src)
        if isinstance(self.src, tuple):
            return list(zip(*(_component(self.batch, name) for name in self.src), strict=True))
        items = self.batch.data if self.src is None else self.src
        if items is None or (self.src is None and self.batch.components is not None):
            raise SpecError("say what to work on: give src, a component, or init")
        if len(items) != len(self.batch):
            raise SpecError(f"src has {len(items)} entries for {len(self.batch)} items")
        self.dst = None if self.dst is self.src else self.dst
        return items

    def _from(self, init: Any) -> Any:
        found = getattr(self.batch, init) if isinstance(init, str) else init
        found = (
            found(**accepted(found, {"src": self.src, "dst": self.dst}))
            if callable(found)
            else found
        )
        return found if hasattr(found, "__getitem__") else list(found)

    def run(self, call: Call, post: Any, own: _Own) -> _Round:
        """Call it for the items that are chosen."""
        call.work.spread = self._spread or bool(own)
        items, keys = (
            own.joined(self._items, spread=self._spread) if own else self._items,
            self._keys,
        )
        if not self._all:
            items = [items[k] for k in self._positions]
            keys = [keys[k] for k in self._positions] if keys else []
        single = post == "_assemble" and self._all and len(self.names()) == 1
        single = single and not isinstance(self.dst, tuple | list)
        self._found = Collected(len(items)) if single else Listed()
        labels = self.batch.indices.tolist()
        if len(self._items) != len(self.batch):
            labels = list(range(len(self._items)))
        self._failed = call.run(items, keys, [labels[k] for k in self._positions], self._found)
        return self

    def names(self) -> tuple[str, ...]:
        """Components that the results go to."""
        return _names(self.dst)

    def failed(self) -> set[int]:
        """Positions of the items that failed."""
        return {int(self._positions[one.position]) for one in self._failed}

    def results(self) -> list[Any]:
        """Results in the order of the items, those not chosen being what they were."""
        listed = (
            self._found if isinstance(self._found, dict) else dict(enumerate(self._found.whole()))
        )
        placed = {int(self._positions[k]): value for k, value in listed.items()}
        return [placed[k] if k in placed else self._as_it_was(k) for k in range(len(self._items))]

    def _as_it_was(self, position: int) -> Any:
        """An item that is not changed: of the source where results go back there, else of dst."""
        if self.dst == self.src:
            return self._items[position]
        names, held = self.names(), self.batch.components or ()
        if not names or any(n not in held or getattr(self.batch, n) is None for n in names):
            raise SpecError(
                f"{self.dst!r} has no values for the items that p leaves out: give it some first"
            )
        values = tuple(getattr(self.batch, name)[position] for name in names)
        return values if isinstance(self.dst, tuple | list) else values[0]

    def arrays(self) -> list[Any]:
        """An array for each destination."""
        if not self.names():
            raise SpecError("say where results go: give dst, or post=False to have them returned")
        if isinstance(self._found, Collected) and not self._failed:
            return [self._found.whole()]
        results, failed = self.results_or_none(), self.failed()
        if isinstance(self.dst, tuple | list):
            blank = (None,) * len(self.names())
            results = [blank if k in failed else value for k, value in enumerate(results)]
        return _columns(results, self.dst, skip=failed)

    def results_or_none(self) -> list[Any]:
        """Results, None for items that failed."""
        for one in self._failed:
            self._found.put(one.position, None)
        return self.results()


class _Own:
    """The arguments of a call that each item has a value of its own for, and those for all."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._named = {name: v for name, v in kwargs.items() if isinstance(v, PerItem)}
        self.kwargs = {name: v for name, v in kwargs.items() if name not in self._named}
        self._all = args if any(isinstance(v, PerItem) for v in args) else ()
        self.args = () if self._all else args

    def __bool__(self) -> bool:
        return bool(self._named or self._all)

    def joined(self, items: Any, *, spread: bool) -> list[Any]:
        """Items as arguments, together with their own."""
        found = []
        for k, item in enumerate(items):
            args, named = arguments(item) if spread else ((item,), {})
            after = (value[k] if isinstance(value, PerItem) else value for value in self._all)
            own = {name: values[k] for name, values in self._named.items()}
            found.append(((*args, *after), {**named, **own}))
        return found


def _pairs(src: Any, dst: Any) -> list[tuple[Any, Any]]:
    """Sources and destinations, done one after the other."""
    if not isinstance(src, list):
        return [(src, dst)]
    if dst is None:
        return [(one, None) for one in src]
    if not isinstance(dst, list) or len(dst) != len(src):
        raise SpecError(
            f"a list of {len(src)} sources needs a list of as many destinations: {dst!r}"
        )
    return list(zip(src, dst, strict=True))


def _names(dst: Any) -> tuple[str, ...]:
    if isinstance(dst, str):
        return (dst,)
    return tuple(dst) if isinstance(dst, tuple | list) else ()


def _component(batch: Any, name: str) -> Any:
    batch._load()
    if name not in (batch.components or ()):
        raise SpecError(f"there is no component {name!r}; there are {batch.components}")
    values = getattr(batch, name)
    if values is None:
        raise SpecError(f"component {name!r} has no values yet: load it first")
    return values


def _columns(results: list[Any], dst: Any, skip: Any = ()) -> list[Any]:
    """Results as an array for each destination."""
    from thunderlike.batches.assembling import assembled

    if not isinstance(dst, tuple | list):
        kept = [value for k, value in enumerate(results) if k not in skip]
        return [_spaced(assembled(kept), len(results), skip)]
    for k, value in enumerate(results):
        if not isinstance(value, tuple | list) or len(value) != len(dst):
            found = len(value) if isinstance(value, tuple | list) else 1
            raise SpecError(
                f"item {k} gave {found} results for {len(dst)} destinations {tuple(dst)}"
            )
    return [
        _spaced(
            assembled([v[d] for k, v in enumerate(results) if k not in skip]), len(results), skip
        )
        for d in range(len(dst))
    ]


def _spaced(array: Any, n: int, skip: Any) -> Any:
    """The array with a gap for each item that is left out afterwards."""
    if not skip:
        return array
    out = np.empty((n, *array.shape[1:]), array.dtype)
    out[[k for k in range(n) if k not in skip]] = array
    return out


def _store(batch: Any, name: str, values: Any) -> None:
    if name in (batch.components or ()):
        setattr(batch, name, values)
    else:
        batch.add_components(name, values)


def _bound(func: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """A function of the item alone, with what comes after the item."""
    return _After(func, args) if args else func


class _After:
    """Calls a function with an item and then further arguments."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args

    def __call__(self, *items: Any, **kwargs: Any) -> Any:
        return self.function(*items, *self.args, **kwargs)


def _to_array(item: Any, as_dtype: Any, channels: str | None) -> Any:
    array = np.asarray(item, dtype=as_dtype)
    if array.ndim == 2 and channels is not None:
        return array[..., np.newaxis] if channels == "last" else array[np.newaxis]
    return np.moveaxis(array, -1, 0) if channels == "first" and array.ndim > 2 else array
