"""Sets of images with a class for each pixel, aerial images included.

ADE20k, CAMVID, Cityscapes, InriaBuildings, Places2017, RIT18, Vaihingen, VOC2012.
"""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.datasets.images import (
    class_color_map,
    classes_of,
    jpeg,
    pixels,
    png,
    raster,
    tiles,
)
from thunderlike.datasets.sets.parsers import (
    base,
    changed,
    mat,
    matching,
    of_key,
    paired,
    table,
    texts,
)
from thunderlike.datasets.sets.spec import Item, declared
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]


# PASCAL VOC

_VOC = "VOCdevkit/VOC2012"
_VOC_COLORS = class_color_map(21)


VOC2012 = declared(
    "VOC2012",
    paired(
        lambda task: [
            line.strip()
            for line in task["all"].lines(f"{_VOC}/ImageSets/Segmentation/{task.split}.txt")
        ],
        {
            "image": f"all:{_VOC}/JPEGImages/{{key}}.jpg",
            "label_image": f"all:{_VOC}/SegmentationClass/{{key}}.png",
        },
    ),
    # The border of objects, of a colour of its own, becomes background.
    changed(label_image=lambda data: png(classes_of(pixels(data, "RGB"), _VOC_COLORS))),
    colors=tuple(map(tuple, _VOC_COLORS.tolist())),
)

# CamVid


def _camvid(task: Task) -> Iterator[Item]:
    archive = task["all"]
    root = archive.names[0].split("/")[0]
    for row in table(archive.lines(f"{root}/CamVid/{task.split}.txt")):
        if len(row) != 2:
            raise FormatError(f"CamVid/{task.split}.txt: {row} is no pair of files")
        image, labels = (archive.member(name.replace("/SegNet", root, 1)) for name in row)
        yield Item(base(row[0]), {"image": image, "label_image": labels})


CAMVID = declared("CAMVID", _camvid)

CITYSCAPES = declared(
    "Cityscapes",
    paired(
        matching("images", r"leftImg8bit/({split}/.*)_leftImg8bit\.png"),
        {
            "image": "images:leftImg8bit/{key}_leftImg8bit.png",
            "label_image": "labels:gtFine/{key}_gtFine_labelIds.png",
            "disparity_image": "disparity:disparity/{key}_disparity.png",
        },
    ),
)

# ADE20k


def _ade_scenes(archive: Archive) -> dict[str, str]:
    """Read the scene of each image."""
    data = archive.read("ADE20K_2016_07_26/index_ade20k.mat")
    with damage("matlab"):
        index = mat(data, "index")["index"][0, 0]
        names, scenes = (texts(index[field]) for field in ("filename", "scene"))
        return {base(name): scene for name, scene in zip(names, scenes, strict=True)}


def _ade_names(archive: Archive) -> list[str]:
    return sorted(set(_ade_scenes(archive).values()))


def _ade_label(source: str) -> Callable[[Task], Callable[[str], int]]:
    """Return the number of the scene of an image, from the index of a source."""

    def labels(task: Task) -> Callable[[str], int]:
        scenes = _ade_scenes(task[source])
        numbers = {scene: number for number, scene in enumerate(sorted(set(scenes.values())))}
        return lambda key: numbers[of_key(scenes, _jpg(key), "scene")]

    return labels


def _jpg(key: str) -> str:
    return f"{base(key)}.jpg"


def _ade_parts(task: Task) -> Callable[[str], list[Any]]:
    def parts(key: str) -> list[Any]:
        names = (f"{key}_parts_{level}.png" for level in itertools.count(1))
        there = itertools.takewhile(task["all"].__contains__, names)
        return [task["all"].member(name) for name in there]

    return parts


def _ade_classes(data: bytes) -> bytes:
    """Decode the class from red and green; blue is the instance."""
    image = pixels(data, "RGB").astype(np.uint16)
    return png(image[..., 0] // 10 * 256 + image[..., 1])


ADE20K = declared(
    "ADE20k",
    paired(
        matching("all", r"((?:.*/)?{split}/.*)\.jpg"),
        {
            "image": "all:{key}.jpg",
            "label": _ade_label("all"),
            "label_image": "all:{key}_seg.png",
            "parts_images": _ade_parts,
        },
        _jpg,
    ),
    changed(label_image=_ade_classes, parts_images=lambda parts: list(map(_ade_classes, parts))),
    meta={"scenelabels": lambda task: _ade_names(task["all"])},
)

# Places2017


def _outlines(data: bytes) -> list[list[Any]]:
    """Find the outlines of each class by OpenCV; points are ``(x, y)``."""
    vision = optional("cv2", extra="vision")
    with damage("matlab"):
        cells = mat(data, "gt")["gt"]["bdry"][0][0].ravel()
        masks = []
        for cell in cells:  # sparse matrices of scipy, in cells of one object
            held = cell.item() if isinstance(cell, np.ndarray) and cell.dtype.hasobject else cell
            dense = held.toarray() if hasattr(held, "toarray") else held
            masks.append(np.asarray(dense, np.uint8))
    follow = (vision.RETR_LIST, vision.CHAIN_APPROX_TC89_L1)
    # OpenCV 3 returns three values, 4 two: contours are the last but one in both.
    found = [vision.findContours(mask, *follow)[-2] for mask in masks]
    return [[line.reshape(-1, 2) for line in lines] for lines in found]


def _places_classes(task: Task) -> list[str]:
    archive = task["classes"]
    rows = csv.DictReader(archive.lines("objectInfo150.txt"), dialect="excel-tab")
    return ["background", *(row["Name"].split(",")[0].strip() for row in rows)]


def _places_colors(task: Task) -> list[list[int]]:
    """Return colours by label, blue first."""
    colors = mat(task["colors"].read("color150.mat"), "colors")["colors"]
    return [[0, 0, 0], *colors[:, ::-1].tolist()]


PLACES2017 = declared(
    "Places2017",
    paired(
        matching("images", r"[^/]+/({split}/[^/]+)\.jpg"),
        {
            "image": "images:images/{key}.jpg",
            "label": _ade_label("scenes"),
            "label_image": "labels:annotations_sceneparsing/{key}.png",
            "instance_image": "instances:annotations_instance/{key}.png",
            "boundary": "outlines:annotations_boundary/{key}.mat",
        },
        _jpg,
    ),
    changed(boundary=_outlines),
    meta={
        "scenelabels": lambda task: _ade_names(task["scenes"]),
        "classes": _places_classes,
        "color_map": _places_colors,
    },
)

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
    for number, cut in tiles(_of_one_size(arrays), _SIDES, border=False):
        yield _building(f"{sample['key']}_{number}", *cut)


def _building(key: str, image: NDArray[Any], labels: NDArray[Any] | None = None) -> Sample:
    encoded = {"key": key, "image": jpeg(image.transpose(1, 2, 0), 95)}
    return encoded if labels is None else {**encoded, "label_image": png(labels[0] == 255)}


def _of_one_size(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    if len({array.shape[-2:] for array in arrays}) != 1:
        raise FormatError("an image and its labels are not of the same size")
    return arrays


INRIA = declared("InriaBuildings", _inria, _buildings)

# Vaihingen

_AREAS = {
    "train": (1, 3, 5, 7, 13, 17, 21, 23, 26, 32, 37),
    "val": (11, 15, 28, 30, 34),
}


def _heights(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    colors = raster(sample["label_image"], "uint8").transpose(1, 2, 0)
    labels = classes_of(colors, VAIHINGEN.colors).astype(np.int64)
    arrays = [raster(sample["image"], "uint8"), labels, raster(sample["mask"], "int32")[0]]
    yield from _masked(sample["key"], arrays, whole=sample["whole"])


def _masked(key: str, arrays: list[NDArray[Any]], *, whole: bool) -> Iterator[Sample]:
    """Yield the complete image, or its tiles, border included."""
    names = ("image", "label_image", "mask")
    if whole:
        yield {"key": key, **dict(zip(names, arrays, strict=True))}
        return
    for number, cut in tiles(_of_one_size(arrays), _SIDES, border=True):
        yield {"key": f"{key}_{number}", **dict(zip(names, cut, strict=True))}


VAIHINGEN = declared(
    "Vaihingen",
    paired(
        lambda task: [f"mosaic_09cm_area{area}.tif" for area in _AREAS[task.split]],
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

SETS = (ADE20K, CAMVID, CITYSCAPES, INRIA, PLACES2017, RIT18, VAIHINGEN, VOC2012)
