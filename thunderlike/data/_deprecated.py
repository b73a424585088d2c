"""Keywords of earlier releases."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["with_former_keywords"]

Kind = TypeVar("Kind", bound=type)


def with_former_keywords(kind: Kind) -> Kind:
    """Decorate a class so that its methods accept the keywords of Thunder's draft as well."""
    for name, keywords in _KEYWORDS[kind.__name__].items():
        setattr(kind, name, _accepting(getattr(kind, name), keywords))
    return kind


def _accepting(method: Callable[..., Any], keywords: Mapping[str, str]) -> Callable[..., Any]:
    """Wrap a method so that it accepts former names of its arguments."""

    @functools.wraps(method)
    def call(self: object, *args: object, **given: object) -> object:
        for old in keywords.keys() & given.keys():
            new = keywords[old]
            if new in given:
                raise TypeError(f"{method.__name__}() got {old!r}, meaning {new!r}, and {new!r}")
            given[new] = given.pop(old)
        return method(self, *args, **given)

    call.__dict__["spellings"] = dict(keywords)
    return call


# From the former name of an argument to the present one, by class and method.
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
