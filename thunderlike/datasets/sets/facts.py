"""The facts of ``catalog.toml``, made declarations together with how archives become samples."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from thunderlike.datasets.download import Source
from thunderlike.datasets.sets.spec import SetSpec, Split

__all__ = ["declared", "sources"]


def declared(name: str, parse: Any, convert: Any = None, **more: Any) -> SetSpec:
    """Join the facts of a set with its functions, and with what else is no plain fact."""
    facts = {key: told for key, told in _catalog()[name].items() if key not in _ELSEWHERE}
    splits = tuple(
        Split(split, **(told if isinstance(told, dict) else {"total": told}))
        for split, told in _catalog()[name].get("splits", {}).items()
    )
    facts |= {"name": name, "sources": sources(name), "splits": splits}
    return SetSpec(**facts | more, parse=parse, convert=convert)


_ELSEWHERE = ("url", "files", "by_hand", "splits")


def sources(name: str) -> dict[str, Source]:
    """All files of a set by short names."""
    facts = _catalog()[name]
    fetched = {
        short: _at(*(told if len(told) == 3 else [*told, facts["url"]]))
        for short, told in facts.get("files", {}).items()
    }
    return fetched | {short: Source(*told) for short, told in facts.get("by_hand", {}).items()}


def _at(path: str, md5: str, url: str) -> Source:
    return Source(path, md5, url + path if url.endswith("/") else url)


@cache
def _catalog() -> dict[str, dict[str, Any]]:
    """The facts of each set, its kind among them."""
    kinds = tomllib.loads(Path(__file__).with_name("catalog.toml").read_text("utf-8"))
    return {
        name: {"kind": kind, **_fixed(facts)}
        for kind, sets in kinds.items()
        for name, facts in sets.items()
    }


def _fixed(told: Any) -> Any:
    """Tuples for lists, at any depth: nobody is to change the facts."""
    if isinstance(told, dict):
        return {name: _fixed(one) for name, one in told.items()}
    return tuple(map(_fixed, told)) if isinstance(told, list) else told
