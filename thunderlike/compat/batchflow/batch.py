"""Batches, indices, datasets and pipelines with batchflow's names and order of arguments."""

from __future__ import annotations

import functools
import glob
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thunderlike import batches
from thunderlike.batches import action
from thunderlike.batches import index as indices
from thunderlike.batches._routing import REMOTE
from thunderlike.batches._steps import Call, stored
from thunderlike.batches.expressions import Scope, evaluated
from thunderlike.compat.batchflow.config import Config
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array
    from thunderlike.batches.index import Labels, Shuffle

__all__ = [
    "Batch",
    "Dataset",
    "DatasetIndex",
    "FilesIndex",
    "ImagesBatch",
    "Pipeline",
    "any_action_failed",
    "eval_expr",
    "inbatch_parallel",
    "is_iterable",
    "make_rng",
    "make_seed_sequence",
    "read_data_from",
    "save_data_to",
    "spawn_seed_sequence",
]


def make_rng(seed: object = None) -> Any:
    """Make a numpy random generator.

    Parameters
    ----------
    seed : bool, int, SeedSequence, Generator, BitGenerator or RandomState
        None or True draws a seed; False returns None; a generator is returned unchanged.

    Examples
    --------
    >>> float(make_rng(3).random()) == float(make_rng(3).random())
    True
    """
    if seed is False:
        return None
    if isinstance(seed, np.random.Generator | np.random.RandomState):
        return seed
    if isinstance(seed, np.random.BitGenerator):
        return np.random.Generator(seed)
    # SFC64 as in batchflow, not numpy's default.
    if seed is None or seed is True:
        return np.random.Generator(np.random.SFC64())
    if isinstance(seed, int | np.integer | np.random.SeedSequence):
        return np.random.Generator(np.random.SFC64(seed))
    raise WrongTypeError(f"seed is {seed!r:.80}; expected a whole number or a random generator")


def make_seed_sequence(shuffle: object = False) -> np.random.SeedSequence:
    """Make a seed sequence from a number, an object with a ``random_seed``, or a new seed."""
    own = getattr(shuffle, "random_seed", None)
    if isinstance(own, np.random.SeedSequence):
        return own
    if shuffle is None or isinstance(shuffle, bool):
        return np.random.SeedSequence()
    if isinstance(shuffle, int | np.integer):
        return np.random.SeedSequence(abs(int(shuffle)))
    raise WrongTypeError(f"shuffle is {shuffle!r:.80}; expected a bool or a whole number")


def spawn_seed_sequence(source: object) -> np.random.SeedSequence:
    """Spawn a child of a seed sequence, or of that of a batch."""
    own = source if isinstance(source, np.random.SeedSequence) else None
    sequence = own or getattr(source, "random_seed", None)
    if not isinstance(sequence, np.random.SeedSequence):
        raise WrongTypeError(
            f"source is a {type(source).__name__}; expected a seed sequence or a batch"
        )
    return sequence.spawn(1)[0]


def is_iterable(obj: object) -> bool:
    """Check that an object is iterable and not a string."""
    return not isinstance(obj, str) and hasattr(obj, "__iter__")


def save_data_to(data: object, dst: object, batch: object = None, pipeline: object = None) -> None:
    """Store a value in an expression or array, or several values in as many of them.

    Examples
    --------
    >>> import numpy as np
    >>> place = np.zeros(2)
    >>> save_data_to([3, 4], place)
    >>> place.tolist()
    [3.0, 4.0]
    """
    stored(dst, data, Scope.of(batch, pipeline))


def read_data_from(src: object, batch: object = None, pipeline: object = None) -> Any:
    """Evaluate an expression, or several in a list or tuple; return other values unchanged."""
    return evaluated(src, Scope.of(batch, pipeline))


def eval_expr(
    expr: object,
    no_eval: Collection[str] | None = None,
    batch: object = None,
    pipeline: object = None,
) -> Any:
    """Evaluate expressions, in lists, tuples and dicts too.

    Parameters
    ----------
    no_eval : sequence of str, optional
        Keys of a dict whose values are not evaluated.

    Examples
    --------
    >>> from thunderlike.compat.batchflow import B, Batch
    >>> eval_expr({"n": B.size + 1, "kept": B.size}, no_eval=["kept"], batch=Batch(3))["n"]
    4
    """
    scope = Scope.of(batch, pipeline)
    if no_eval and isinstance(expr, dict):
        return {k: v if k in no_eval else evaluated(v, scope) for k, v in expr.items()}
    return evaluated(expr, scope)


def any_action_failed(results: Iterable[Any]) -> bool:
    """Check results for exceptions."""
    return any(isinstance(result, Exception) for result in results)


def inbatch_parallel(
    init: object, post: object = None, target: str = "threads", **defaults: object
) -> Callable[..., Any]:
    """Turn a method for one item into a method for a batch.

    Parameters
    ----------
    init : str or callable
        Source of the arguments of each call: the name of an attribute or method of the batch,
        such as ``'indices'``, or a function.
    post : str or callable, optional
        Function applied to the results; without it they are dropped and the batch is returned.
    target : str
        As in :meth:`thunderlike.batches.Batch.apply_parallel`.
    **defaults
        Further arguments of the method, and of `init` and `post`.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.compat.batchflow import Batch
    >>> class Counts(Batch):
    ...     @action
    ...     @inbatch_parallel(init="indices", post="_assemble", dst="n")
    ...     def number(self, label, start=0, **kwargs):
    ...         return start + label
    >>> Counts(3).number(start=5).n
    array([5, 6, 7])
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def run(batch: batches.Batch, *args: object, **kwargs: object) -> Any:
            args, call = evaluated((args, {**defaults, **kwargs}), batch)
            call = {"post": post or (lambda _results, **_: batch), "target": target, **call}
            # A method travels with its batch: to other processes without the data.
            here = call["target"] not in REMOTE
            owner = batch if here else batch._light()
            return batch._applied(functools.partial(method, owner), args, init=init, **call)

        return run

    return decorate


class Batch(batches.Batch):
    """``thunderlike.batches.Batch`` with actions that take their arguments in batchflow's order."""

    @property  # type: ignore[override]
    def random_seed(self) -> np.random.SeedSequence:
        """Seed sequence of the batch; can be set to a number."""
        return np.random.SeedSequence(super().random_seed)

    @random_seed.setter
    def random_seed(self, seed: object) -> None:
        batches.Batch.random_seed.fset(self, seed)  # type: ignore[attr-defined]

    @action
    def apply_parallel(
        self,
        func: Callable[..., Any],
        init: object = None,
        post: object = None,
        src: object = None,
        dst: object = None,
        *args: object,
        p: ArrayLike | None = None,
        target: str | None = None,
        requires_rng: bool = False,
        rng_seeds: int | Iterable[int] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a function for each item: ``thunderlike.batches.Batch.apply_parallel``."""
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
            **kwargs,
        )

    @action
    def to_array(
        self,
        comp: object = None,
        dtype: object = np.float32,
        channels: str | None = "last",
        src: object = None,
        dst: object = None,
        **kwargs: object,
    ) -> Any:
        """Cast items to a dtype: ``thunderlike.batches.Batch.to_array``; `comp` is its `src`."""
        chosen = comp if src is None else src
        return batches.Batch.to_array(self, chosen, dst, dtype=dtype, channels=channels, **kwargs)

    @action
    def load(
        self,
        *args: object,
        src: object = None,
        fmt: object = None,
        dst: object = None,
        **kwargs: object,
    ) -> Any:
        """Load components: ``thunderlike.batches.Batch.load``."""
        # batchflow takes all three by position.
        names = ("src", "fmt", "dst")
        given = dict(zip(names, (src, fmt, dst), strict=True))
        return batches.Batch.load(self, **given | dict(zip(names, args, strict=False)), **kwargs)

    @action
    def dump(
        self,
        *args: object,
        dst: object = None,
        fmt: object = None,
        components: object = None,
        **kwargs: object,
    ) -> Any:
        """Write components: ``thunderlike.batches.Batch.dump``."""
        names = ("dst", "fmt", "components")
        given = dict(zip(names, (dst, fmt, components), strict=True))
        return batches.Batch.dump(self, **given | dict(zip(names, args, strict=False)), **kwargs)

    save = dump

    def get_errors(self, all_res: Sequence[Any]) -> list[Exception] | None:  # type: ignore[override]
        """Return the exceptions among results, or None."""
        return batches.Batch.get_errors(all_res)


class ImagesBatch(Batch):
    """A batch of images, labels and masks; subclasses define the actions on images."""

    components = "images", "labels", "masks"


class _Conventions(indices.DatasetIndex):
    def _assign(self, labels: Array, *, unique: bool) -> None:
        # Labels may come several times, as in batchflow, except those by which files are found.
        super()._assign(labels, unique=unique and isinstance(self, indices.FilesIndex))
        if unique and len(set(labels.tolist())) != len(labels):
            warnings.warn("the index holds a label more than once", stacklevel=4)

    def calc_split(self, shares: float | Iterable[float] = 0.8) -> tuple[int, int, int]:
        """Count items of train, test and validation; the rest of three shares is validation.

        Raises
        ------
        SpecError
            If there are more shares than items.
        """
        given = np.atleast_1d(np.asarray(shares, dtype=float)).tolist()
        if len(given) > len(self):
            raise SpecError(
                f"{len(self)} items cannot be split into {len(given)} parts; give fewer shares"
            )
        if len(given) == 3 and sum(given) < 1:
            given[2] = 1 - given[0] - given[1]
        return super().calc_split(given)

    def shuffle(self, shuffle: object = True) -> Any:
        """Return positions: in order for False, else shuffled, by a seed or generator."""
        rng = make_rng(shuffle)
        order = np.arange(len(self))
        return order if rng is None else rng.permutation(order)

    def next_batch(self, batch_size: int, *args: object, **options: object) -> Any:
        """Return the next batch; with `n_epochs` batches go on into the next epoch.

        Raises
        ------
        SpecError
            If the batch is larger than the index.
        """
        if batch_size > len(self):
            raise SpecError(
                f"batch_size is {batch_size}, larger than the index of {len(self)} items; "
                "give a smaller one"
            )
        return super().next_batch(batch_size, **_named(args, options))

    def gen_batch(self, batch_size: int, *args: object, **options: object) -> Any:
        """Yield batches; with `n_epochs` they go on into the next epoch."""
        return super().gen_batch(batch_size, **_named(args, options))


def _named(args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    names = ("shuffle", "n_iters", "n_epochs", "drop_last")
    given = {**dict(zip(names, args, strict=False)), **options}
    given.pop("notifier", None)
    # Batches go on into the next epoch, where those of the base class end with the epoch.
    return {"wrap": not given.get("drop_last"), **given}


class DatasetIndex(_Conventions):
    """``thunderlike.batches.DatasetIndex``; :meth:`shuffle` returns positions.

    Parameters
    ----------
    index : int, iterable, DatasetIndex or callable
        Labels; a repeated label gives a warning.

    Examples
    --------
    >>> DatasetIndex(5).shuffle(shuffle=False).tolist()
    [0, 1, 2, 3, 4]
    """

    def __init__(self, index: Labels) -> None:
        super().__init__(index)


class FilesIndex(_Conventions, indices.FilesIndex):
    """``thunderlike.batches.FilesIndex`` in the order of the folder, with paths as in the pattern.

    Parameters
    ----------
    index, paths : optional
        Labels, and the path of each.
    path : str or sequence of str
        Patterns.
    dirs, no_ext, sort : bool
        Folders instead of files; labels without extension; labels in order.
    """

    def __init__(
        self,
        index: object = None,
        path: object = None,
        paths: Mapping[Any, Any] | Iterable[Any] | None = None,
        dirs: bool = False,
        no_ext: bool = False,
        sort: bool = False,
    ) -> None:
        indices.FilesIndex.__init__(
            self, path, dirs=dirs, no_ext=no_ext, sort=sort, index=index, paths=paths
        )

    def _found(self, patterns: list[str]) -> list[str]:
        found = [
            one
            for pattern in patterns
            for one in glob.iglob(pattern, recursive=True)  # noqa: PTH207  # paths as in the pattern
        ]
        kind = Path.is_dir if self.dirs else Path.is_file
        return [one for one in found if kind(Path(one))]


class Pipeline(batches.Pipeline):
    """``thunderlike.batches.Pipeline`` with batchflow's methods and a :class:`Config`.

    Examples
    --------
    >>> from thunderlike.compat.batchflow import B, C, Dataset, V
    >>> pipeline = Dataset(4).pipeline({"step/size": 2}).init_variables("a", "b")
    >>> pipeline = pipeline.call(max, 1, C("step/size"), save_to=V("a")).run(4)
    >>> pipeline.get_variable("a")
    2
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", Config(self.config))

    def call(self, fn: object, *args: object, save_to: object = None, **kwargs: object) -> Self:  # type: ignore[override]
        """Call a function with these arguments only; ``B()`` is the batch."""
        return self._with(Call(fn, args, kwargs, first=False, save_to=save_to))

    def save_to(self, dst: object, value: object = None) -> Self:
        """Store a value: :meth:`update`."""
        return self.update(dst, value)

    def init_variable(self, name: str, default: object = None, lock: bool = True) -> Self:
        """Add a variable to the pipeline; its updates are always locked."""
        del lock  # an argument of batchflow
        return super().init_variable(name, default)

    def init_variables(self, *variables: Any) -> Self:
        """Add variables to the pipeline: names, or a dict from names to their arguments."""
        first = variables[0] if len(variables) == 1 else variables
        named = (
            first
            if isinstance(first, dict)
            else dict.fromkeys(variables if isinstance(first, str) else first)
        )
        made = self
        for name, options in named.items():
            made = made.init_variable(name, **(options or {}))
        return made

    def has_variable(self, name: str) -> bool:
        """Check that a variable exists."""
        return name in self._defaults or name in self._state.variables

    def get_variable(self, name: str, default: object = None, *, create: bool = False) -> Any:
        """Return the value of a variable; `create` adds it if it is missing."""
        if create and not self.has_variable(name):
            self._state.variables[name] = default
        return self.v(name)

    def set_variable(self, name: str, value: object, mode: str = "w", batch: object = None) -> None:
        """Set a variable now."""
        batches.V(name, mode).set(batch, value, pipeline=self)

    def assign_variable(self, name: str, value: object) -> None:
        """Set a variable now."""
        self.assign(name, value)

    def update_variable(self, name: str, value: object = None, mode: str = "w") -> Self:
        """Set a variable for each batch: ``update(V(name, mode), value)``."""
        return self.update(batches.V(name, mode), value)

    def delete_variable(self, name: str) -> Self:
        """Delete a variable.

        Raises
        ------
        KeyMissingError
            If there is no such variable.
        """
        if not self.has_variable(name):
            raise KeyMissingError(
                f"no variable {name!r} to delete; create it with init_variable first"
            )
        # From the default too, or the variable would come back when it is asked for.
        self._state.variables.pop(name, None)
        self._defaults.pop(name, None)
        return self

    del_variable = delete_variable

    def update_config(self, config: Mapping[str, Any]) -> Self:
        """Change entries of the config."""
        return self.set_config(config)

    def run_now(self, *args: object, **kwargs: object) -> Self:
        """Run on all batches."""
        return self.run(*args, **kwargs, lazy=False)

    def run_later(self, *args: object, **kwargs: object) -> Self:
        """Remember how to run."""
        return self.run(*args, **kwargs, lazy=True)

    @property
    def num_actions(self) -> int:
        """Number of steps."""
        return len(self._steps)


class Dataset(batches.Dataset):
    """``thunderlike.batches.Dataset`` with batchflow's conventions.

    Parameters
    ----------
    index, batch_class, preloaded, copy
        As in the base class.
    n_splits, method, shuffle : optional
        Arguments of :meth:`cv_split`, called if `n_splits` is given.
    **attrs
        Attributes of the dataset and its batches.
    """

    _pipeline_class = Pipeline

    def __init__(
        self,
        index: Any,
        batch_class: type[batches.Batch] = Batch,
        *_: object,
        preloaded: object = None,
        copy: bool = False,
        n_splits: int | None = None,
        method: str = "kfold",
        shuffle: Shuffle = False,
        **attrs: object,
    ) -> None:
        attrs.pop("cast_to_array", None)
        super().__init__(index, batch_class, preloaded, copy=copy, **attrs)
        if n_splits is not None:
            self.cv_split(method, n_splits, shuffle)

    @staticmethod
    def build_index(index: Labels) -> batches.DatasetIndex:
        """Return the argument as an index."""
        return index if isinstance(index, batches.DatasetIndex) else DatasetIndex(index)
