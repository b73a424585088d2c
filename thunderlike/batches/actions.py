"""Actions of a batch: functions over its items, random choices, and their registration."""

from __future__ import annotations

import functools
import secrets
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike.batches._components import BatchData
from thunderlike.batches._routing import REMOTE, ItemArguments, Round, columns, names, pairs
from thunderlike.batches.execution import Call, Work, accepted
from thunderlike.batches.expressions import evaluated
from thunderlike.errors import BatchError, SpecError, WrongTypeError
from thunderlike.parallel.random import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from thunderlike._typing import Array

__all__ = ["Actions", "action", "apply_parallel"]


def action(
    method: Callable[..., Any] | None = None,
    *,
    use_lock: bool | str | None = None,
    no_eval: str | Sequence[str] | None = None,
) -> Any:
    """Mark a method of a batch class as an action of pipelines.

    Its arguments may be named expressions. One that returns None counts as having returned the
    batch.

    Parameters
    ----------
    use_lock : bool or str, optional
        Let one batch of a pipeline run it at a time; actions with the same text share a lock.
    no_eval : str or sequence of str, optional
        Arguments, given by name, that stay expressions.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.batches import Batch, Dataset
    >>> class Counts(Batch):
    ...     @action
    ...     def lift(self, by):
    ...         self.n = self.n + by
    >>> dataset = Dataset(4, Counts, preloaded={"n": np.arange(4)})
    >>> [batch.n.tolist() for batch in dataset.p.lift(10).gen_batch(2)]
    [[10, 11], [12, 13]]
    """
    if method is None:
        return functools.partial(action, use_lock=use_lock, no_eval=no_eval)
    kept = {no_eval} if isinstance(no_eval, str) else set(no_eval or ())
    lock = method.__qualname__ if use_lock is True else use_lock

    @functools.wraps(method)
    def run(self: Any, *args: object, **kwargs: object) -> Any:
        args = evaluated(args, self)
        kwargs = {n: v if n in kept else evaluated(v, self) for n, v in kwargs.items()}
        with self.pipeline.locked(lock) if lock and self.pipeline is not None else nullcontext():
            found = method(self, *args, **kwargs)
        return self if found is None else found

    run.is_action = True  # type: ignore[attr-defined]
    return run


def apply_parallel(method: Callable[..., Any] | None = None, **defaults: Any) -> Any:
    """Make a method of one item an action on a whole batch.

    Keyword arguments are defaults of the call: ``@apply_parallel(target='for', src='image')``. The
    method itself stays reachable under its name between underscores, ``_crop_``.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.batches import Batch, Dataset
    >>> class Counts(Batch):
    ...     @apply_parallel(target="for", src="n")
    ...     def lift(self, n, by):
    ...         return n + by
    >>> dataset = Dataset(4, Counts, preloaded={"n": np.arange(4)})
    >>> [batch.n.tolist() for batch in dataset.p.lift(10).gen_batch(2)]
    [[10, 11], [12, 13]]
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
        def run(batch: Actions, *args: object, **kwargs: object) -> Any:
            call: dict[str, Any] = {**batch.apply_defaults, **defaults, **kwargs}
            here = call.get("target", "threads") not in REMOTE
            # The method travels with its object: to other processes without the data.
            owner_of_call = batch if here else batch._light()
            return batch._applied(getattr(owner_of_call, inner), args, **call)

        setattr(owner, inner, self.method)
        setattr(owner, name, action(run))


class Actions(BatchData):
    """Parallel actions of a batch; :class:`~thunderlike.batches.Batch` is one."""

    _seed: int | None = None
    _random: np.random.Generator | None = None
    _calls = 0

    apply_defaults: dict[str, Any] = {  # noqa: RUF012
        "target": "threads",
        "post": "_assemble",
        "src": None,
        "dst": None,
    }

    # random numbers

    @property
    def random_seed(self) -> int:
        """Seed of its random streams; drawn at first use unless set."""
        if self._seed is None:
            self._seed = secrets.randbits(128)
        return self._seed

    @random_seed.setter
    def random_seed(self, seed: int | np.random.SeedSequence) -> None:
        entropy = seed.entropy if isinstance(seed, np.random.SeedSequence) else seed
        if isinstance(entropy, bool) or not isinstance(entropy, int | np.integer) or entropy < 0:
            raise WrongTypeError(f"random_seed is a whole number from 0 on, not {seed!r:.80}")
        self._seed, self._random, self._calls = int(entropy), None, 0

    @property
    def random(self) -> np.random.Generator:
        """The random stream of the batch as a whole; SFC64."""
        if self._random is None:
            # 2**31 stands where items have the number of the call, so that no item has this stream.
            self._random = generator(self._entropy(), *self._place(), 2**31)
        return self._random

    def _entropy(self) -> int:
        """Return the seed as a number, which batchflow's ``random_seed`` is not."""
        return int(getattr(self.random_seed, "entropy", self.random_seed))

    def _place(self) -> tuple[int, int]:
        """Return epoch and position of the first item."""
        return int(self._cut.epochs[0]), int(self._cut.positions[0])

    def _keys(self) -> list[tuple[int, ...]]:
        """Return the keys of the random streams of items, each independent of other items."""
        self._calls += 1
        where = zip(self._cut.epochs.tolist(), self._cut.positions.tolist(), strict=True)
        seed = self._entropy()
        return [(seed, epoch, position, self._calls) for epoch, position in where]

    # actions

    @action
    def apply_parallel(
        self,
        func: Callable[..., Any],
        *args: object,
        init: object = None,
        post: object = None,
        src: object = None,
        dst: object = None,
        p: ArrayLike | None = None,
        target: str | None = None,
        requires_rng: bool = False,
        rng_seeds: int | Iterable[int] | None = None,
        n_workers: int | None = None,
        timeout: float | None = None,
        on_error: str = "raise",
        **kwargs: object,
    ) -> Any:
        """Call a function for each item and put the results together.

        Parameters
        ----------
        func : callable
            Takes an item of `src`, then `args` and `kwargs`; `src` and `dst` too, where it has
            parameters of those names.
        *args, **kwargs
            Further arguments of `func`.
        init
            Instead of `src`: items as a container, the name of an attribute or method of the batch
            (``'indices'``), or a callable, which gets `src`, `dst`, `p`, `target` and `kwargs`
            where it has such parameters; each is the arguments of a call.
        post : str, callable or False
            Function that makes the return value of the results; False returns them as a list.
        src : str, tuple or list
            A component; a tuple of some, whose values are given together as one tuple; a list of
            some, done one after the other; or an array. Without `src` and `init`, `func` takes the
            items of the batch, with an attribute for each component, and may change them in place.
        dst : str, tuple or list
            Destination: a component, created if missing; a tuple of them, when `func`
            returns as many values; by default `src`.
        p : float or array, optional
            Probability with which an item is changed, for all or for each. The other items keep
            what they have in `dst`; in a new one they have what they have in `src`.
        target : {'threads', 'for', 'mpc', 'spark', 'async'}
            Backend of the calls.
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
            For unsuitable destinations, lengths, probabilities or names.

        Examples
        --------
        >>> from thunderlike.batches import Batch
        >>> batch = Batch.from_data(data={"a": np.arange(4.0), "b": np.ones(4)})
        >>> batch.apply_parallel(lambda ab: ab[0] + ab[1], src=("a", "b"), dst="sum").sum
        array([1., 2., 3., 4.])
        """
        _refuse_positions(func, args)
        return self._applied(
            func,
            args,
            init=init,
            post=post,
            src=src,
            dst=dst,
            p=p,
            target=target,
            requires_rng=requires_rng,
            rng_seeds=rng_seeds,
            n_workers=n_workers,
            timeout=timeout,
            on_error=on_error,
            **kwargs,
        )

    def _applied(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        init: object = None,
        post: object = None,
        src: object = None,
        dst: object = None,
        p: ArrayLike | None = None,
        target: str | None = None,
        requires_rng: bool = False,
        rng_seeds: int | Iterable[int] | None = None,
        n_workers: int | None = None,
        timeout: float | None = None,
        on_error: str = "raise",
        **kwargs: object,
    ) -> Any:
        """Call a function for each item, with arguments that are evaluated already."""
        if not callable(func):
            raise WrongTypeError(f"func is called for each item, and {func!r:.80} cannot be")
        defaults = self.apply_defaults
        if not (post is None or post is False or isinstance(post, str) or callable(post)):
            raise WrongTypeError(
                f"post is a method of the batch, a callable or False, not {post!r:.80}"
            )
        if not isinstance(requires_rng, bool | np.bool_ | int | type(None)):
            raise WrongTypeError(f"requires_rng must be True or False, not {requires_rng!r:.80}")
        init = defaults.get("init") if init is None else init
        post = defaults.get("post", "_assemble") if post is None else post
        src = defaults.get("src") if src is None and init is None else src
        dst = defaults.get("dst") if dst is None else dst
        target = defaults.get("target", "threads") if target is None else target
        # Each draw counts as a call of the batch, and the count selects the random streams: to
        # draw in another order would give other numbers for the same seed.
        chosen = self._chosen(p)
        keys = self._item_keys(rng_seeds) if requires_rng else []
        own = ItemArguments(args, kwargs)
        done = []
        for one_src, one_dst in pairs(src, dst):
            offered = {"src": one_src, "dst": one_dst}
            fixed = {**accepted(func, offered), **own.kwargs}
            work = Work(_bound(func, own.args), fixed, rng=requires_rng)
            call = Call(work, target, n_workers, timeout, on_error)
            options = {**kwargs, "p": p, "target": target}
            round_ = Round(self, one_src, one_dst, init, chosen, keys, options)
            done.append(round_.run(call, post, own))
        return self._finished(done, post, kwargs)

    def _finished(self, done: list[Round], post: object, kwargs: dict[str, Any]) -> Any:
        if post is False:
            return done[0].results() if len(done) == 1 else [one.results() for one in done]
        # A subclass's own _assemble gets the results; this class's writes whole arrays.
        if post != "_assemble" or type(self)._assemble is not Actions._assemble:
            call = getattr(self, post, None) if isinstance(post, str) else post
            if not callable(call):
                raise SpecError(f"post is a method of the batch, a callable or False, not {post!r}")
            found = [
                call(r.results(), **accepted(call, {**kwargs, "src": r.src, "dst": r.dst}))
                for r in done
            ]
            return found[-1]
        arrays = [
            one.arrays() for one in done
        ]  # all before any is stored: a failure changes nothing
        # Only with on_error='skip' are there failed items here.
        failed = set().union(*(one.failed() for one in done))
        kept = np.array([k for k in range(len(self)) if k not in failed], dtype=np.intp)
        batch = self._part(kept) if failed else self
        stored: dict[str, Any] = {}
        for one, values in zip(done, arrays, strict=True):
            cut = [array if batch is self else array[kept] for array in values]
            if one.replaces_data:
                batch._replace_data(cut[0])
            stored |= zip(one.names(), cut, strict=bool(one.names()))
        batch._store(stored)
        return batch

    def _assemble(
        self,
        results: Sequence[Any],
        src: object = None,
        dst: object = None,
        dst_default: str = "src",
        **_: object,
    ) -> Any:
        """Put results into components; to be overridden.

        Parameters
        ----------
        results : sequence
            A result for each item; a tuple or row of as many as there are destinations.
        src, dst : str, tuple or list, optional
            Components; `src` where there is no `dst`.
        dst_default : {'src', 'components'}
            What to do without `dst`: use `src`, or all components.

        Raises
        ------
        BatchError
            When exceptions are among the results and no component is named.
        """
        errors = self.get_errors(list(results))
        if dst is None:
            dst = src if dst_default == "src" else self.components
        if errors and dst is None:
            labels = self.indices.tolist()
            failures = [
                (k, v) for k, v in zip(labels, results, strict=False) if isinstance(v, Exception)
            ]
            raise BatchError(
                f"Could not assemble the batch: {len(errors)} of {len(results)} results are "
                f"exceptions, the first {errors[0]!r}",
                errors=failures,
            ) from errors[0]
        where = names(dst)
        if not where:
            raise SpecError(
                "no destination for the results: give dst, or post=False to return them"
            )
        rows = [tuple(row) if isinstance(row, np.ndarray) else row for row in results]
        values = columns(rows if isinstance(dst, tuple | list) else list(results), dst)
        self._store(dict(zip(where, values, strict=True)))
        return self

    def _chosen(self, p: ArrayLike | None) -> NDArray[np.bool_] | None:
        """Draw the items to change, None for all."""
        if p is None:
            return None
        try:
            odds = np.asarray(p, dtype=float)
        except (TypeError, ValueError):
            raise WrongTypeError(
                f"p is a probability or one for each item, not {p!r:.80}"
            ) from None
        if odds.ndim and odds.shape != (len(self),):
            raise SpecError(f"p has {odds.size} probabilities for {len(self)} items: one for each")
        if not ((odds >= 0) & (odds <= 1)).all():
            raise SpecError(f"a probability lies in 0 .. 1, not {p!r}")
        # A draw is below 1, so that p=1 changes every item.
        drawn = [generator(key[0], *key[1:]).random() for key in self._keys()]
        return np.asarray(drawn) < odds

    def _item_keys(self, seeds: Any) -> list[tuple[int, ...]]:
        if seeds is None:
            return self._keys()
        if isinstance(seeds, int | np.integer) and not isinstance(seeds, bool) and seeds >= 0:
            # Without the number of the call: the same seed gives the same draws in each.
            where = zip(self._cut.epochs.tolist(), self._cut.positions.tolist(), strict=True)
            return [(int(seeds), epoch, position) for epoch, position in where]
        try:
            found = [int(seed) for seed in seeds]
        except (TypeError, ValueError):
            found = [-1]
        if any(seed < 0 for seed in found):
            raise WrongTypeError(
                f"rng_seeds are whole numbers from 0 on, one or several: {seeds!r:.80}"
            )
        if len(found) != len(self):
            raise SpecError(f"{len(found)} seeds for {len(self)} items: give one for each")
        return [(seed,) for seed in found]

    @action
    def to_array(
        self,
        src: object = None,
        dst: object = None,
        dtype: DTypeLike | None = "float32",
        channels: str | None = "last",
    ) -> Any:
        """Cast items to a dtype, and give images an axis of channels.

        Parameters
        ----------
        src, dst
            As in :meth:`apply_parallel`; all components by default.
        dtype : dtype or None
            None keeps what they are.
        channels : {'last', 'first', None}
            Where the new axis of an image of two goes. Of items with more axes the last one is
            moved to the front for ``'first'``; items of one axis stay as they are.
        """
        self._load()
        # In batchflow the second argument is the dtype.
        named = isinstance(dst, tuple | list) or self._has(dst)
        if dst is not None and not named and _is_dtype(dst):
            raise WrongTypeError(f"dst is the name of a component; give {dst!r} as dtype={dst!r}")
        if not (channels is None or (isinstance(channels, str) and channels in ("last", "first"))):
            raise SpecError(f"channels is 'last', 'first' or None, not {channels!r}")
        if not _is_dtype(dtype):
            raise WrongTypeError(f"dtype={dtype!r:.80} is not a dtype of numpy")
        # A list: each component by itself, where a tuple would be one source of several.
        chosen = list(self.components or ()) if src is None else src
        return self._applied(
            _to_array,
            (),
            src=chosen,
            dst=chosen if dst is None else dst,
            post="_assemble",
            target="for",
            as_dtype=dtype,
            channels=channels,
        )

    @action
    def do_nothing(self, *_args: object, **_kwargs: object) -> Self:
        """Return itself."""
        return self

    def run_once(self, *_args: object, **_kwargs: object) -> list[list[Any]]:
        """Return the items of one single call without arguments, for `init`."""
        self._load()
        return [[]]

    @staticmethod
    def get_errors(results: Sequence[Any]) -> list[Exception] | None:
        """Pick the exceptions in a list, or None."""
        if not hasattr(results, "__iter__"):
            raise WrongTypeError(f"results are a sequence, not {results!r:.80}")
        return [one for one in results if isinstance(one, Exception)] or None


def _refuse_positions(func: object, args: tuple[object, ...]) -> None:
    """Refuse `init`, `post` and `src` in batchflow's positions, which are arguments of `func` here.

    Raises
    ------
    WrongTypeError
        For two values that could be `init` and `post`, and the names of components after them.
    """
    if len(args) < 3 or not isinstance(args[2], str | tuple | list):
        return
    names = [args[2]] if isinstance(args[2], str) else args[2]
    choices = (
        one is None or one is False or isinstance(one, str) or callable(one) for one in args[:2]
    )
    if names and all(isinstance(name, str) for name in names) and all(choices):
        called = getattr(func, "__name__", type(func).__name__)
        raise WrongTypeError(
            f"apply_parallel passes {args!r:.80} on to {called}: give init, post, src and dst by "
            "name"
        )


def _is_dtype(value: Any) -> bool:
    try:
        np.dtype(value)
    except TypeError:
        return False
    return True


def _bound(func: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """Append positional arguments to those of a call."""
    if not args:
        return func

    @functools.wraps(func)  # errors name the function of the user
    def bound(*items: object, **kwargs: object) -> Any:
        return func(*items, *args, **kwargs)

    return bound


def _to_array(item: ArrayLike, as_dtype: DTypeLike | None, channels: str | None) -> Array:
    array = np.asarray(item, dtype=as_dtype)
    if array.ndim == 2 and channels is not None:
        return array[..., np.newaxis] if channels == "last" else array[np.newaxis]
    return np.moveaxis(array, -1, 0) if channels == "first" and array.ndim > 2 else array
