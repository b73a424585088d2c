"""Sets with a label for each pixel: ADE20k, CAMVID, Cityscapes, Places2017, VOC2012."""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.datasets.images import classes_of, pixels, png
from thunderlike.datasets.sets.facts import declared
from thunderlike.datasets.sets.meta import class_color_map
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
from thunderlike.datasets.sets.spec import Item
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.sets.spec import Task

__all__ = ["SETS"]

# PASCAL VOC

_VOC = "VOCdevkit/VOC2012"
_VOC_COLORS = class_color_map(21)


def _voc_keys(task: Task) -> list[str]:
    listed = task["all"].lines(f"{_VOC}/ImageSets/Segmentation/{task.split}.txt")
    return [line.strip() for line in listed]


def _voc_labels(colors: bytes) -> bytes:
    return png(classes_of(pixels(colors, "RGB"), _VOC_COLORS))


VOC2012 = declared(
    "VOC2012",
    paired(
        _voc_keys,
        {
            "image": f"all:{_VOC}/JPEGImages/{{key}}.jpg",
            "label_image": f"all:{_VOC}/SegmentationClass/{{key}}.png",
        },
    ),
    changed(label_image=_voc_labels),
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
    """The scene of each image."""
    data = archive.read("ADE20K_2016_07_26/index_ade20k.mat")
    with damage("matlab"):
        index = mat(data, "index")["index"][0, 0]
        names, scenes = (texts(index[field]) for field in ("filename", "scene"))
        return {base(name): scene for name, scene in zip(names, scenes, strict=True)}


def _ade_names(archive: Archive) -> list[str]:
    return sorted(set(_ade_scenes(archive).values()))


def _ade_label(source: str) -> Callable[[Task], Callable[[str], int]]:
    """The number of an image's scene, told by the index in a source."""

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
    """Red and green tell the class, blue the instance."""
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
    """The outlines of each class, as OpenCV follows them; points are ``(x, y)``."""
    vision = optional("cv2", extra="vision")
    with damage("matlab"):
        cells = mat(data, "gt")["gt"]["bdry"][0][0].ravel()
        masks = [np.asarray(_dense(cell), np.uint8) for cell in cells]
    follow = (vision.RETR_LIST, vision.CHAIN_APPROX_TC89_L1)
    found = [vision.findContours(mask, *follow)[-2] for mask in masks]
    return [[line.reshape(-1, 2) for line in lines] for lines in found]


def _dense(cell: Any) -> Any:
    held = cell.item() if isinstance(cell, np.ndarray) and cell.dtype.hasobject else cell
    return held.toarray() if hasattr(held, "toarray") else held


def _places_classes(task: Task) -> list[str]:
    archive = task["classes"]
    rows = csv.DictReader(archive.lines("objectInfo150.txt"), dialect="excel-tab")
    return ["background", *(row["Name"].split(",")[0].strip() for row in rows)]


def _places_colors(task: Task) -> list[list[int]]:
    """Colours by label, blue first."""
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

SETS = (ADE20K, CAMVID, CITYSCAPES, PLACES2017, VOC2012)
