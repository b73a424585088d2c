"""Names of earlier releases."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from thunderlike.errors import SpecError
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from thunderlike.data.images import Images
    from thunderlike.data.series import Series

__all__ = ["with_draft_spellings"]

Kind = TypeVar("Kind", bound=type)


def with_draft_spellings(kind: Kind) -> Kind:
    """Let a class answer to the spellings of the draft too: to be written above it."""
    for name, keywords in _KEYWORDS[kind.__name__].items():
        setattr(kind, name, _respelled(getattr(kind, name), keywords))
    for name, method in _METHODS[kind.__name__].items():
        setattr(kind, name, checked_arguments(method))
    return kind


def _respelled(method: Callable[..., Any], keywords: Mapping[str, str]) -> Callable[..., Any]:
    """A method that takes older names for some of its arguments."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **given: Any) -> Any:
        for old in keywords.keys() & given.keys():
            new = keywords[old]
            if new in given:
                raise TypeError(f"{method.__name__}() got {old!r}, meaning {new!r}, and {new!r}")
            given[new] = given.pop(old)
        return method(self, *args, **given)

    call.__dict__["spellings"] = dict(keywords)
    return call


def _totimeseries(self: Images, size: Any = "auto", units: str = "pixels") -> Series:
    """As :meth:`toseries`; `size` are pixels along each axis, or with ``'splits'`` parts."""
    if units not in ("pixels", "splits"):
        raise SpecError(f"units are 'pixels' or 'splits', not {units!r}")
    if units == "splits":
        size = tuple(-(-n // parts) for n, parts in zip(self.value_shape, size, strict=True))
    return self.toseries(size)


def _themselves(self: Series) -> Series:
    """The series, which are time series already."""
    return self


_KEYWORDS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "Images": {
        "toseries": {"size": "chunk_size"},
        "toblocks": {"size": "chunk_size"},
        "map": {"dims": "value_shape"},
        "map_as_series": {"block_size": "chunk_size"},
        "localcorr": {"neighborhood": "size"},
        "subsample": {"sample_factor": "factor"},
        "sample": {"n": "nsamples"},
    },
    "Series": {
        "toimages": {"size": "chunk_size"},
        "map": {"dims": "value_shape"},
        "sample": {"n": "nsamples"},
    },
    "Blocks": {"map": {"dims": "value_shape"}},
}
_METHODS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "Images": {"totimeseries": _totimeseries},
    "Series": {"totimeseries": _themselves},
    "Blocks": {},
}
