"""What a batch does to its items: functions over each, random choices, and who runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.batches.calls import Call
from thunderlike.batches.decorators import action
from thunderlike.batches.rounds import Own, Round, columns, names, pairs
from thunderlike.batches.work import Work, accepted
from thunderlike.errors import SpecError
from thunderlike.parallel.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


__all__ = ["Actions"]


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
        ways = pairs(src if src is not None else defaults.get("src"), dst)
        chosen = self._chosen(p)
        keys = self._item_keys(rng_seeds) if requires_rng else []
        own = Own(args, kwargs)
        done = []
        for one_src, one_dst in ways:
            offered = {"src": one_src, "dst": one_dst}
            fixed = {**accepted(func, offered), **own.kwargs}
            work = Work(_bound(func, own.args), fixed, rng=requires_rng)
            call = Call(
                work, target or defaults.get("target", "threads"), n_workers, timeout, on_error
            )
            done.append(Round(self, one_src, one_dst, init, chosen, keys).run(call, post, own))
        return self._finished(done, post, kwargs)

    def _finished(self: Any, done: list[Round], post: Any, kwargs: dict[str, Any]) -> Any:
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
        for name, array in zip(names(dst or src), columns(results, names(dst or src)), strict=True):
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
