"""Named expressions, evaluated for each batch: ``B.size``, ``V('loss')``, ``R('normal')``."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.batches.execution import assembled, at
from thunderlike.errors import KeyMissingError, SpecError, WrongTypeError
from thunderlike.parallel.map import check_choice
from thunderlike.parallel.random import generator

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array
    from thunderlike.batches.execution import Entries

__all__ = [
    "PP",
    "Attribute",
    "B",
    "C",
    "Called",
    "D",
    "Each",
    "Entry",
    "Expression",
    "F",
    "I",
    "L",
    "NamedExpression",
    "Operation",
    "P",
    "PerItem",
    "R",
    "Scope",
    "V",
    "W",
    "evaluated",
]

_MODES = {
    name: mode for mode in ("write", "append", "extend", "update") for name in (mode[0], mode)
}
_NO_PLACE = "{} is no place to store a value: use B, V, C, D or L, or an attribute or entry of one"


@dataclass(frozen=True)
class Scope:
    """Context in which expressions are evaluated.

    Parameters
    ----------
    batch : Batch or None
        None before there are batches: only what the pipeline knows can be evaluated then.
    pipeline : Pipeline, optional
        The batch's own by default.
    place : tuple of int, optional
        Epoch and position of one item, and number of the action.
    rng : numpy.random.Generator, optional
        The random stream of that item, instead of the batch's.
    """

    batch: Any = None
    pipeline: Any = None
    place: tuple[int, ...] | None = None
    rng: np.random.Generator | None = None

    @classmethod
    def of(cls, batch: object, pipeline: object = None) -> Scope:
        """Return the scope of a batch, or `batch` itself where it is one."""
        if isinstance(batch, Scope):
            return batch
        return cls(batch, pipeline if pipeline is not None else getattr(batch, "pipeline", None))

    def items(self) -> Iterator[Scope]:
        """Yield a scope for each item, with the item's own random stream."""
        for seed, *place in self.batch._keys():
            yield Scope(self.batch, self.pipeline, tuple(place), generator(seed, *place))


class Expression:
    """A value that is evaluated when an action runs.

    Arithmetic, comparisons, attributes, subscripts and calls of an expression are expressions.
    """

    def get(self, batch: object = None, pipeline: object = None) -> Any:
        """Evaluate it for a batch, or for a pipeline alone."""
        return self._value(Scope.of(batch, pipeline))

    def set(self, batch: object = None, value: object = None, *, pipeline: object = None) -> None:
        """Store a value where the expression points.

        Raises
        ------
        SpecError
            When it points nowhere.
        """
        self._assign(Scope.of(batch, pipeline), value)

    def _value(self, scope: Scope) -> Any:
        raise NotImplementedError

    def _assign(self, scope: Scope, value: object) -> None:  # noqa: ARG002  # a few can
        raise SpecError(_NO_PLACE.format(type(self).__name__))

    def _parts(self) -> Iterable[Any]:
        """Return what it is made of."""
        return ()

    def _is_random(self) -> bool:
        return any(isinstance(one, Expression) and one._is_random() for one in self._parts())

    def str(self) -> Operation:
        """Return its value as text."""
        return Operation(str, self)

    def format(self, template: object) -> Operation:
        """Put its value into a template.

        Examples
        --------
        >>> from thunderlike.batches import B, Batch
        >>> B.size.format("{} items").get(Batch(3))
        '3 items'
        """
        return Operation(lambda value, text: text.format(value), self, template)

    def _access(self, kind: type[_Access], *how: object) -> Expression:
        return kind(self, *how)

    # From here on `str` is the method above, for annotations too.
    def __getattr__(self, name: builtins.str) -> Any:
        # pickle, copy and numpy look for methods with underscores, and must not find any.
        if name.startswith("_"):
            raise AttributeError(name)
        return self._access(Attribute, name)

    def __getitem__(self, key: object) -> Any:
        return self._access(Entry, key)

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Call its value, once that is known."""
        return self._access(Called, args, kwargs)

    def __bool__(self) -> bool:
        raise WrongTypeError(
            f"{self!r} has no truth value before it is evaluated: give it to an action, or use "
            "& | ~ instead of and, or, not"
        )

    __iter__ = None  # through __getitem__ it would never end
    __hash__ = object.__hash__  # lost with __eq__, which makes an expression

    def __repr__(self) -> builtins.str:
        return f"{type(self).__name__}({', '.join(map(repr, self._parts()))})"


class Operation(Expression):
    """A function of expressions and values."""

    def __init__(self, operation: Callable[..., Any], *operands: object) -> None:
        self._operation, self._operands = operation, operands

    def _value(self, scope: Scope) -> Any:
        return self._operation(*evaluated(self._operands, scope))

    def _parts(self) -> Iterable[Any]:
        return self._operands


class _Access(Expression):
    """A part of an expression's value, which a subclass reads and writes."""

    _read: ClassVar[staticmethod[..., Any]]
    _write: ClassVar[staticmethod[..., None]]

    def __init__(self, owner: Expression, *how: Any) -> None:
        self._owner, self._how = owner, how

    def _value(self, scope: Scope) -> Any:
        owner = self._owner._value(scope)
        return self._read(owner, *[evaluated(one, scope) for one in self._how])

    def _assign(self, scope: Scope, value: object) -> None:
        self._write(self._owner._value(scope), *evaluated(self._how, scope), value)

    def _parts(self) -> Iterable[Any]:
        return self._owner, *self._how


class Attribute(_Access):
    """An attribute of an expression's value."""

    _read = staticmethod(getattr)

    @staticmethod
    def _write(owner: object, name: str, value: object) -> None:
        try:
            setattr(owner, name, value)
        except AttributeError as error:
            raise SpecError(f"{name} of {type(owner).__name__} cannot be set") from error


class Entry(_Access):
    """An entry of an expression's value."""

    _read, _write = staticmethod(operator.getitem), staticmethod(operator.setitem)


class Called(_Access):
    """A call of an expression's value."""

    @staticmethod
    def _read(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return function(*args, **kwargs)

    @staticmethod
    def _write(*_: object) -> None:
        raise SpecError(_NO_PLACE.format("Called"))

    def _value(self, scope: Scope) -> Any:
        # Arguments come first: the order of random draws is part of what a seed reproduces.
        how = evaluated(self._how, scope)
        return self._read(self._owner._value(scope), *how)

    _assign = Expression._assign

    def _parts(self) -> Iterable[Any]:
        args, kwargs = self._how
        return self._owner, *args, *kwargs.values()


def _operator(operation: Callable[..., Any], *, swapped: bool = False) -> Callable[..., Operation]:
    def method(self: Expression, *others: object) -> Operation:
        return Operation(operation, *(*others, self) if swapped else (self, *others))

    return method


_SWAPPED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "matmul")
_OTHERS = ("lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert")
for _name in (*_SWAPPED, *_OTHERS):
    _function = getattr(operator, f"__{_name}__")
    setattr(Expression, f"__{_name}__", _operator(_function))
    if _name in _SWAPPED:
        setattr(Expression, f"__r{_name}__", _operator(_function, swapped=True))


class _ByName(type):
    """Lets ``B.size`` stand for ``B('size')``."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return cls(name)


class NamedExpression(Expression, metaclass=_ByName):
    """An expression with a name, itself perhaps an expression.

    Parameters
    ----------
    name : str or Expression, optional
        Of what it stands for; as an attribute of the class too, ``B.size`` for ``B('size')``.
    mode : {'w', 'a', 'e', 'u'}
        Whether a value that is stored replaces what is there, is appended to it, extends it or
        updates it.

    Examples
    --------
    >>> from thunderlike.batches import B, Batch
    >>> isinstance(B.size, NamedExpression), B(B.name_of_it).get(Batch(3, name_of_it="size"))
    (True, 3)
    """

    def __init__(self, name: object = None, mode: object = "w") -> None:
        self._name = name
        known = mode if isinstance(mode, str) else repr(mode)
        self._update = _MODES[check_choice("mode", known, tuple(_MODES))]

    def _parts(self) -> Iterable[Any]:
        return () if self._name is None else (self._name,)

    def _text(self, scope: Scope) -> Any:
        """Return the name, text or None, once it is known."""
        name = evaluated(self._name, scope)
        if name is None or isinstance(name, str):
            return name
        raise WrongTypeError(f"{type(self).__name__} is given a name, not {name!r:.80}")

    def _assign(self, scope: Scope, value: object) -> None:
        # Without a value yet, the first one is stored, to which later ones are added.
        held = None if self._update == "write" else self._value(scope)
        if held is None:
            self._replace(scope, value)
            return
        adds = self._update
        if adds == "append" and isinstance(held, set | dict):
            adds = "update"
        if not hasattr(held, adds):
            raise SpecError(
                f"{self!r} holds {type(held).__name__}, which has no {adds}: begin with a list, "
                "set or dict, or use mode='w'"
            )
        getattr(held, adds)(value)

    def _replace(self, scope: Scope, value: object) -> None:
        Expression._assign(self, scope, value)


class B(NamedExpression):
    """``B('image')`` or ``B.image``: an attribute or component; ``B()`` is the batch itself.

    Parameters
    ----------
    copy : bool
        Let ``B(copy=True)`` be a deep copy of the batch.

    Examples
    --------
    >>> from thunderlike.batches import Batch
    >>> batch = Batch.from_data(data={"x": np.arange(4)})
    >>> int(B("x").repeat(2).sum().get(batch)), B.size.get(batch), B().get(batch) is batch
    (12, 4, True)
    """

    def __init__(self, name: object = None, mode: object = "w", copy: bool = False) -> None:
        super().__init__(name, mode)
        self._copy = copy

    def _value(self, scope: Scope) -> Any:
        name, batch = self._text(scope), _batch(self, scope)
        if name is None:
            return batch.deepcopy() if self._copy else batch
        if not hasattr(batch, name):
            raise KeyMissingError(
                f"the batch has neither an attribute nor a component {name!r}; its components are "
                f"{batch.components}"
            )
        return getattr(batch, name)

    def _replace(self, scope: Scope, value: object) -> None:
        if self._name is None:
            raise SpecError("B() is no place to store a value: name a component")
        try:
            setattr(_batch(self, scope), self._text(scope), value)
        except AttributeError as error:
            raise SpecError(f"{self!r} cannot be set: {error}") from error


class _Elementwise(Expression):
    """An expression with several values, whose attributes, entries and calls are those of each."""

    def _access(self, kind: type[_Access], *how: object) -> Expression:
        return Each(self, kind, *how)


class L(_Elementwise, B):
    """``L('objects').attribute``: an attribute of each object in a component.

    Subscripts, calls and chains of them work alike. A value that is stored has an entry for each.

    Examples
    --------
    >>> from thunderlike.batches import Batch, L
    >>> batch = Batch.from_data(data={"text": np.array(["a", "bc"], dtype=object)})
    >>> L("text").upper().get(batch)
    ['A', 'BC']
    """


class Each(_Elementwise):
    """An attribute, entry or call of every value that an expression has."""

    def __init__(self, owner: Expression, kind: type[_Access], *how: object) -> None:
        self._owner, self._kind, self._how = owner, kind, how

    def _value(self, scope: Scope) -> Any:
        how = evaluated(self._how, scope)
        return [self._kind._read(one, *how) for one in self._owner._value(scope)]

    def _assign(self, scope: Scope, value: Any) -> None:
        how = evaluated(self._how, scope)
        owners = list(self._owner._value(scope))
        if not hasattr(value, "__len__") or (isinstance(value, np.ndarray) and not value.ndim):
            raise WrongTypeError(
                f"a value for each of {len(owners)} objects is stored, not {value!r:.80}"
            )
        if len(value) != len(owners):
            raise SpecError(
                f"{len(value)} values are stored in {len(owners)} objects: give as many"
            )
        for owner, own in zip(owners, value, strict=True):
            self._kind._write(owner, *how, own)

    def _parts(self) -> Iterable[Any]:
        return self._owner, *self._how


class _OfPipeline(NamedExpression):
    """An expression for what a pipeline has: the batch's own, or another one."""

    def __init__(self, name: object = None, mode: object = "w", *, pipeline: object = None) -> None:
        super().__init__(name, mode)
        self._pipeline = pipeline

    def _source(self, scope: Scope) -> Any:
        own = self._pipeline
        pipeline = evaluated(own, scope) if own is not None else scope.pipeline
        if pipeline is None:
            raise SpecError(f"{self!r} needs a pipeline, and the batch is in none")
        return pipeline


class V(_OfPipeline):
    """``V('loss')``: a variable of the pipeline, or of another one.

    Examples
    --------
    >>> from thunderlike.batches import B, Dataset, V
    >>> pipeline = Dataset(5).p.init_variable("sizes", []).update(V("sizes", mode="a"), B.size)
    >>> batches = list(pipeline.gen_batch(2))
    >>> pipeline.v("sizes")
    [2, 2, 1]
    """

    def _value(self, scope: Scope) -> Any:
        return self._source(scope).v(self._text(scope))

    def _assign(self, scope: Scope, value: object) -> None:
        # A value is read and stored under one lock: batches run in several threads.
        with self._source(scope).locked():
            super()._assign(scope, value)

    def _replace(self, scope: Scope, value: object) -> None:
        self._source(scope).assign(self._text(scope), value)


class C(_OfPipeline):
    """``C('size', default=3)``: an entry of the pipeline's config; ``C()`` is all of it.

    Examples
    --------
    >>> from thunderlike.batches import C, Pipeline
    >>> pipeline = Pipeline(config={"size": 5})
    >>> C("size").get(pipeline=pipeline), C("rate", default=1).get(pipeline=pipeline)
    (5, 1)
    """

    def __init__(
        self, name: object = None, mode: object = "w", *, pipeline: object = None, **default: object
    ) -> None:
        super().__init__(name, mode, pipeline=pipeline)
        unknown = set(default) - {"default"}
        if unknown:
            raise WrongTypeError(
                f"C has no argument {', '.join(sorted(unknown))}: default is the one"
            )
        self._default = default  # a dict, since None is a default too

    def _value(self, scope: Scope) -> Any:
        name, config = self._text(scope), self._source(scope).config
        if name is None:
            return config
        try:
            return config[name]
        except KeyError:
            if "default" in self._default:
                return evaluated(self._default["default"], scope)
        raise KeyMissingError(f"the pipeline's config has no {name!r}; it has {', '.join(config)}")

    def _replace(self, scope: Scope, value: object) -> None:
        self._source(scope).config[self._text(scope)] = value


class D(NamedExpression):
    """``D('classes')``: an attribute of the dataset; ``D()`` is the dataset itself.

    Examples
    --------
    >>> from thunderlike.batches import D, Dataset
    >>> D.classes.get(Dataset(4, classes=10).create_batch([1]))
    10
    """

    def _dataset(self, scope: Scope) -> Any:
        # A batch knows the part that it was cut from, a pipeline without batches only its own.
        dataset = getattr(scope.batch, "dataset", None)
        if dataset is None:
            dataset = getattr(scope.pipeline, "dataset", None)
        if dataset is None:
            raise SpecError(f"{self!r} has no dataset: dataset >> pipeline gives it one")
        return evaluated(dataset, scope)

    def _value(self, scope: Scope) -> Any:
        name, dataset = self._text(scope), self._dataset(scope)
        if name is None:
            return dataset
        if not hasattr(dataset, name):
            raise KeyMissingError(f"the dataset has no attribute {name!r}")
        return getattr(dataset, name)

    def _replace(self, scope: Scope, value: object) -> None:
        if self._name is None:
            raise SpecError("D() is no place to store a value: name an attribute")
        setattr(self._dataset(scope), self._text(scope), value)


class I(NamedExpression):  # noqa: E742
    """``I('current')``: the number of the batch, from 1 on.

    ``I('maximum')`` or ``I('total')`` is how many there will be, None where they never end;
    ``I('ratio')`` the one divided by the other. The first letters are enough.

    Examples
    --------
    >>> from thunderlike.batches import Dataset, I, V
    >>> pipeline = Dataset(4).p.init_variable("seen", []).update(V("seen", mode="a"), I("ratio"))
    >>> _ = pipeline.run(1)
    >>> pipeline.v("seen")
    [0.25, 0.5, 0.75, 1.0]
    """

    def __init__(self, name: object = "current", mode: object = "w") -> None:
        super().__init__(name, mode)

    def _value(self, scope: Scope) -> Any:
        name = self._text(scope)
        # The first letter is enough, since no two names begin with the same one.
        number, total = _batch(self, scope).iteration, scope.batch.iterations
        kinds = [k for k in ("current", "maximum", "total", "ratio") if name and k.startswith(name)]
        if not kinds:
            raise SpecError(f"I is current, maximum, total or ratio, not {name!r}")
        if kinds[0] == "current":
            return number
        if kinds[0] != "ratio":
            return total
        if total is None or number is None:
            raise SpecError("the ratio of batches needs their number: give n_epochs or n_iters")
        return number / total


class F(NamedExpression):
    """``F(function)(B.image, k=2)``: a call, each time with what its arguments are then.

    Examples
    --------
    >>> from thunderlike.batches import B, Batch, F
    >>> batch = Batch.from_data(data={"x": np.arange(4)})
    >>> F(np.clip)(B.x, 1, 2).get(batch)
    array([1, 1, 2, 2])
    """

    def __init__(self, function: object, *args: object, **kwargs: object) -> None:
        super().__init__(function)  # it may be an expression, as the name of the others may
        self._args, self._kwargs = args, kwargs

    def __call__(self, *args: object, **kwargs: object) -> F:
        """Give it arguments, or further ones."""
        return F(self._name, *self._args, *args, **{**self._kwargs, **kwargs})

    def _value(self, scope: Scope) -> Any:
        function, args, kwargs = evaluated((self._name, self._args, self._kwargs), scope)
        if not callable(function):
            raise WrongTypeError(f"F calls a function, and {function!r:.80} is not one")
        return function(*args, **kwargs)

    def _parts(self) -> Iterable[Any]:
        return self._name, *self._args, *self._kwargs.values()


class R(NamedExpression):
    """``R('normal', 0, 1, size=3)``: a draw of numpy's generator, one for a batch.

    In ``P(R(...))`` it is one for each item, of the item's own random stream.

    Parameters
    ----------
    name : str, int or sequence
        A distribution, or what to choose from.
    *args, **kwargs
        Of the distribution, expressions among them.
    seed : int, optional
        Of its stream, instead of the batch's; draws still differ from batch to batch.

    Examples
    --------
    >>> from thunderlike.batches import Dataset, R, V
    >>> pipeline = Dataset(4).p.init_variable("drawn", [])
    >>> pipeline = pipeline.update(V("drawn", mode="a"), R([7, 8, 9]))
    >>> batches = list(pipeline.gen_batch(2, seed=1))
    >>> len(pipeline.v("drawn")), set(pipeline.v("drawn")) <= {7, 8, 9}
    (2, True)
    """

    def __init__(self, name: object, *args: object, seed: object = None, **kwargs: object) -> None:
        super().__init__(name)
        self._args, self._kwargs, self._seed = args, kwargs, seed

    def _is_random(self) -> bool:
        return True

    def _stream(self, scope: Scope) -> np.random.Generator:
        # A seed of its own is joined with the place of the batch, or all would draw the same.
        if self._seed is not None:
            place = scope.place or (() if scope.batch is None else scope.batch._place())
            seed = evaluated(self._seed, scope)
            if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
                raise WrongTypeError(f"a seed is a whole number from 0 on, not {seed!r:.80}")
            return generator(int(seed), *place)
        if scope.rng is not None:
            return scope.rng
        return np.random.default_rng() if scope.batch is None else scope.batch.random

    def _value(self, scope: Scope) -> Any:
        name, args, kwargs = evaluated((self._name, self._args, self._kwargs), scope)
        rng = self._stream(scope)
        # Anything but a name is what to choose from.
        draw = getattr(rng, name, None) if isinstance(name, str) else rng.choice
        if not callable(draw) or (isinstance(name, str) and name.startswith("_")):
            raise SpecError(f"numpy's generator has no distribution {name!r}")
        args = args if isinstance(name, str) else (name, *args)
        try:
            return draw(*args, **kwargs)
        except (TypeError, ValueError) as error:
            raise SpecError(f"{self!r} cannot be drawn: {error}") from error


class P(NamedExpression):
    """``P(values)``: one value for each item, where an action takes one for all.

    Random expressions are drawn for each item, of its own stream.

    Examples
    --------
    >>> from thunderlike.batches import Batch, P
    >>> batch = Batch.from_data(data={"x": np.arange(3)})
    >>> batch.apply_parallel(np.add, P([10, 20, 30]), src="x").x
    array([10, 21, 32])
    """

    def _value(self, scope: Scope) -> Any:
        _batch(self, scope)
        # Drawn item by item: the values of an item do not depend on the others in its batch.
        if isinstance(self._name, Expression) and self._name._is_random():
            return PerItem(assembled([self._name._value(one) for one in scope.items()]))
        values = evaluated(self._name, scope)
        if isinstance(values, PerItem):
            return values
        # A single number is a value for each item of a batch of one.
        if isinstance(values, np.ndarray) and values.ndim == 0:
            values = values.reshape(1)
        if not hasattr(values, "__getitem__") or not hasattr(values, "__len__"):
            values = list(values) if hasattr(values, "__iter__") else [values]
        if len(values) != len(scope.batch):
            raise SpecError(
                f"P has {len(values)} values for {len(scope.batch)} items: give one for each"
            )
        return PerItem(values)


class PP(P):
    """``PP(expression)``: the expression evaluated once for each item.

    Examples
    --------
    >>> import itertools
    >>> from thunderlike.batches import PP, Batch, F
    >>> numbers = itertools.count()
    >>> batch = Batch.from_data(data={"x": np.zeros(3)})
    >>> batch.apply_parallel(np.add, PP(F(next)(numbers)), src="x").x
    array([0., 1., 2.])
    """

    def _value(self, scope: Scope) -> Any:
        _batch(self, scope)
        return PerItem(assembled([evaluated(self._name, one) for one in scope.items()]))


class W(NamedExpression):
    """``W(V('loss'))``: an expression that an action is given as it is, not evaluated.

    Examples
    --------
    >>> from thunderlike.batches import B, Batch, W
    >>> W(B.size).get(Batch(3))
    B('size')
    """

    def _value(self, scope: Scope) -> Any:  # noqa: ARG002
        return self._name


class PerItem:
    """Values of which each item gets its own."""

    def __init__(self, values: Entries) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, position: int) -> Any:
        return at(self.values, position)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.asarray(self.values, dtype=dtype)


def _batch(expression: Expression, scope: Scope) -> Any:
    if scope.batch is None:
        raise SpecError(f"{expression!r} needs a batch, which is not available yet")
    return scope.batch


def evaluated(value: Any, batch: object) -> Any:
    """Return a value with every expression in it evaluated, in tuples, lists, slices and dicts too.

    Parameters
    ----------
    batch : Batch or Scope
        What it is evaluated for.
    """
    scope = Scope.of(batch)
    if isinstance(value, Expression):
        return value._value(scope)
    # Exact types: a named tuple or an ordered dict might not be made like its base class.
    if type(value) in (list, tuple):
        found = [evaluated(one, scope) for one in value]
        # What holds no expression is passed on itself, so that a function can change it in place.
        unchanged = all(one is was for one, was in zip(found, value, strict=True))
        return value if unchanged else type(value)(found)
    if type(value) is dict:
        named = {evaluated(k, scope): evaluated(one, scope) for k, one in value.items()}
        unchanged = all(k in value and one is value[k] for k, one in named.items())
        return value if unchanged else named
    if type(value) is slice:
        return slice(*(evaluated(one, scope) for one in (value.start, value.stop, value.step)))
    return value
