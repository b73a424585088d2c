"""Sets of what is seen from above: InriaBuildings, RIT18, Vaihingen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.images import classes_of, jpeg, png, raster, tiles
from thunderlike.datasets.sets.facts import declared
from thunderlike.datasets.sets.parsers import mat, paired
from thunderlike.datasets.sets.spec import Item
from thunderlike.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]

_SIDES = (384, 384)  # of a tile

# Buildings

_TRAIN = ("vienna", "kitsap", "tyrol-w", "chicago", "austin")
_TEST = ("bellingham", "bloomington", "innsbruck", "sfo", "tyrol-e")
_INRIA = {
    "train": ("train", _TRAIN, range(6, 37)),
    "val": ("train", _TRAIN, range(1, 6)),
    "test": ("test", _TEST, range(1, 37)),
}


def _inria(task: Task) -> Iterator[Item]:
    folder, cities, numbers = _INRIA[task.split]
    images = task["images"]
    for city in cities:
        for number in numbers:
            name = f"{city}{number}.tif"
            found: dict[str, Any] = {"image": images.member(f"{folder}/images/{name}")}
            if folder == "train":
                found["label_image"] = images.member(f"{folder}/gt/{name}")
            yield Item(name, {**found, "whole": task.split == "train"})


def _buildings(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    arrays = [raster(sample["image"], "uint8")]
    if "label_image" in sample:
        arrays.append(raster(sample["label_image"], "uint8"))
    if sample["whole"]:
        yield _building(sample["key"], *arrays)
        return
    for number, cut in tiles(_alike(arrays), _SIDES, border=False):
        yield _building(f"{sample['key']}_{number}", *cut)


def _building(key: str, image: Any, labels: Any = None) -> Sample:
    encoded = {"key": key, "image": jpeg(image.transpose(1, 2, 0), 95)}
    return encoded if labels is None else {**encoded, "label_image": png(labels[0] == 255)}


def _alike(arrays: list[Any]) -> list[Any]:
    if len({array.shape[-2:] for array in arrays}) != 1:
        raise FormatError("an image and its labels are not of the same size")
    return arrays


INRIA = declared("InriaBuildings", _inria, _buildings)

# Vaihingen

_AREAS = {
    "train": (1, 3, 5, 7, 13, 17, 21, 23, 26, 32, 37),
    "val": (11, 15, 28, 30, 34),
}


def _vaihingen_names(task: Task) -> list[str]:
    return [f"mosaic_09cm_area{area}.tif" for area in _AREAS[task.split]]


def _heights(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    colors = raster(sample["label_image"], "uint8").transpose(1, 2, 0)
    labels = classes_of(colors, VAIHINGEN.colors).astype(np.int64)
    arrays = [raster(sample["image"], "uint8"), labels, raster(sample["mask"], "int32")[0]]
    yield from _masked(sample["key"], arrays, whole=sample["whole"])


def _masked(key: str, arrays: list[Any], *, whole: bool) -> Iterator[Sample]:
    """The whole image as one sample, or its tiles, those at the border too."""
    names = ("image", "label_image", "mask")
    if whole:
        yield {"key": key, **dict(zip(names, arrays, strict=True))}
        return
    for number, cut in tiles(_alike(arrays), _SIDES, border=True):
        yield {"key": f"{key}_{number}", **dict(zip(names, cut, strict=True))}


VAIHINGEN = declared(
    "Vaihingen",
    paired(
        _vaihingen_names,
        {
            "image": "images:top/top_{key}",
            "label_image": "images:gts_for_participants/top_{key}",
            "mask": "images:dsm/dsm_{key}",
            "whole": lambda task: lambda _: task.split == "train",
        },
        "top_{}".format,
    ),
    _heights,
)

# RIT-18


def _rit18(task: Task) -> Iterator[Item]:
    names = (f"{task.split}_data", f"{task.split}_labels")
    found = mat(task["all"].read("rit18_data.mat"), *names)
    bands, labels = (found[name] for name in names)
    if bands.ndim != 3 or len(bands) != 7:
        raise FormatError(f"rit18_data.mat: {names[0]} has 7 bands, not the shape {bands.shape}")
    arrays = [bands[:6].astype(np.uint16), labels.astype(np.int64), bands[6].astype(np.uint8)]
    for sample in _masked(task.split, arrays, whole=task.split == "train"):
        yield Item(sample.pop("key"), sample)


RIT18 = declared("RIT18", _rit18)

SETS = (INRIA, RIT18, VAIHINGEN)
