"""Functions on the values of samples, with random parameters drawn once for a whole sample."""

from __future__ import annotations

import functools
import inspect
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from thunderlike._arguments import checked_arguments
from thunderlike.errors import FormatError, KeyMissing, SpecError, WrongType
from thunderlike.util.images import open_image

__all__ = ["Compose", "CompressedToPIL", "Transform", "Transforms", "applied", "dict2tuple"]

Transform: TypeAlias = Callable[..., Any]
Transforms: TypeAlias = "Mapping[str, Transform] | Callable[[dict[str, Any]], Any] | None"


class Compose:
    """Several functions of a value, one after the other, each with the parameters that it names.

    Parameters
    ----------
    *transforms : callable, or one iterable of them
        The first argument of each is the value. What its other arguments are called is looked up
        in the parameters when it is called; those with a default may be missing there, and those
        that a :func:`functools.partial` fixes are never taken from there. One that takes only
        ``*args`` gets the value alone.
    prefix : str
        What names in the parameters begin with, and arguments do not.

    Raises
    ------
    SpecError
        For a function without arguments.
    WrongType
        For what is not a function.
    KeyMissing
        When called without a parameter that a function needs; names both.

    Examples
    --------
    >>> def add(value, amount):
    ...     return value + amount
    >>> Compose(add, abs)(-5, {"amount": 2, "other": 1})
    3
    >>> Compose([add], prefix="left_")(1, {"left_amount": 2})
    3
    """

    def __init__(self, *transforms: Any, prefix: str = "") -> None:
        given = list(transforms)
        # Not a list that can be called: nn.Sequential is both.
        if len(given) == 1 and isinstance(given[0], Iterable) and not callable(given[0]):
            given = list(given[0])
        for one in given:
            if not callable(one):
                raise WrongType(
                    f"Compose takes functions, or one list of them; {one!r:.60} cannot be called"
                )
        self._bound = [(one, *_parameters(one)) for one in given]
        self._prefix = prefix

    def __call__(self, value: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Apply all to a value."""
        if not isinstance(params, Mapping | None):
            raise WrongType(f"params are a dict of names and values, not {params!r:.60}")
        there = params or {}
        for function, names, needed in self._bound:
            for name in needed:
                if self._prefix + name not in there:
                    label = getattr(function, "__name__", function)
                    raise KeyMissing(f"{label} needs the parameter {self._prefix + name!r}")
            chosen = {n: there[self._prefix + n] for n in names if self._prefix + n in there}
            value = function(value, **chosen)
        return value

    def __repr__(self) -> str:
        return f"Compose({', '.join(repr(one) for one, *_ in self._bound)})"


def _parameters(function: Transform) -> tuple[list[str], list[str]]:
    """Names of all arguments but the first, and of those that have no default."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], []  # compiled ones do not always tell
    named = [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if not named and any(one.kind is one.VAR_POSITIONAL for one in found):
        warnings.warn(f"{function} names no argument; it gets the value alone", stacklevel=3)
        return [], []
    if not named:
        raise SpecError(f"{function} takes no argument, and a value is to be given to it")
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    rest = [
        one for one in named[1:] if one.kind is not one.POSITIONAL_ONLY and one.name not in fixed
    ]
    return [one.name for one in rest], [one.name for one in rest if one.default is one.empty]


def applied(
    sample: dict[str, Any], transforms: Transforms, rng: Callable[[Any], Any] | None
) -> Any:
    """Apply transforms to a sample: one function of it, or functions of its values by key."""
    if transforms is None:
        return sample
    if not isinstance(transforms, Mapping):
        return transforms(sample)
    params = {} if rng is None else rng(sample)
    sample["__params__"] = params
    for key, function in transforms.items():
        sample[key] = function(sample[key], params)
    return sample


class CompressedToPIL:
    """From the bytes of an image file to a Pillow image of RGB.

    Parameters
    ----------
    size : (int, int), optional
        Let JPEG be decoded at a fraction that is not smaller than this width and height.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.formats import png
    >>> CompressedToPIL()(png.encode(np.zeros((2, 3), "uint8"))).size
    (3, 2)
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self.size = size

    def __call__(self, data: bytes) -> Any:
        """Decode an image; FormatError for bytes that are not one."""
        from PIL import Image

        try:
            image = open_image(io.BytesIO(data))
            if self.size is not None:
                image.draft("RGB", self.size)
            return image.convert("RGB")
        except TypeError as error:
            raise WrongType(f"an image file is bytes, not {type(data).__name__}") from error
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            start = bytes(data[:16])
            raise FormatError(f"not an image that Pillow reads: {start!r}...: {error}") from error

    def __repr__(self) -> str:
        return f"CompressedToPIL({self.size or ''})"


@checked_arguments
def dict2tuple(
    it: Iterable[Mapping[str, Any]], keys: Sequence[str] = ("image", "label")
) -> Iterator[tuple[Any, ...]]:
    """Iterate over some values of each sample.

    Examples
    --------
    >>> list(dict2tuple([{"key": "a", "image": 1, "label": 2}]))
    [(1, 2)]
    """
    return (tuple(sample[key] for key in keys) for sample in it)
