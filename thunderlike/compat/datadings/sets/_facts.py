"""What the catalog knows of a set, under datadings' names."""

from __future__ import annotations

from functools import partial
from typing import Any

from thunderlike.datasets import pictures
from thunderlike.datasets.sets import get, meta
from thunderlike.datasets.yfcc100m import YFCC100mReader

__all__ = ["facts", "files"]


def facts(name: str) -> dict[str, Any]:
    """The names of a set's module: classes, colours, and the functions that go with them."""
    spec = get(name)
    found: dict[str, Any] = {}
    if spec.classes:
        found["CLASSES"] = spec.classes
    if spec.colors:
        found["COLORS"] = spec.colors
        found["index_to_color"] = partial(pictures.index_to_color, colors=spec.colors)
    return found | _MORE.get(name, {})


def files(name: str) -> dict[str, dict[str, str | None]]:
    """The source files of a set, as ``prepare_indir`` takes them."""
    spec = get(name)
    return {
        short: {"path": one.path, "url": one.url, "md5": one.md5}
        for short, one in spec.files(spec.chosen({})).items()
    }


def _bit(byteval: int, idx: int) -> bool:
    """Tell whether a bit of a number is set."""
    return bool(byteval & (1 << idx))


_MORE: dict[str, dict[str, Any]] = {
    "ADE20k": {"index_to_color": pictures.index_to_color},
    "VOC2012": {
        "bitget": _bit,
        "class_color_map": pictures.class_color_map,
        "median_frequency_weights": meta.median_frequency_weights,
    },
    "YFCC100m": {"YFCC100mReader": YFCC100mReader},
}
