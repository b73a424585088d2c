"""Sets of labelled images: CIFAR10, CIFAR100, ILSVRC2012, ImageNet21k, Places365."""

from __future__ import annotations

import gzip
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.images import png, recompressed
from thunderlike.datasets.sets.parsers import base, changed, mat, of_key, pickled_rows, table, texts
from thunderlike.datasets.sets.spec import Item, Option, declared, sources
from thunderlike.errors import FormatError, NotFoundError
from thunderlike.formats.safe_pickle import checkpoint, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.download import Source
    from thunderlike.datasets.sets.spec import Options, Sample, Task

    _Image = tuple[str, str, bytes]  # what its label is known by, its name, its bytes

__all__ = ["SETS"]


def _drawn(row: object) -> bytes:
    if not isinstance(row, np.ndarray) or row.shape != (3072,):
        raise FormatError("an image is a row of 3072 values")
    return png(row.reshape(3, 32, 32).transpose(1, 2, 0))  # all of red, then green, then blue


def _meta_names(task: Task) -> dict[str, list[str]]:
    """Read the names of both kinds of labels."""
    found = load(task["all"].read("cifar-100-python/meta"), "meta")
    kinds = ("fine_label_names", "coarse_label_names")
    return {kind: [name.decode() for name in found[kind.encode()]] for kind in kinds}


_BATCHES = tuple(f"cifar-10-batches-py/data_batch_{n}" for n in range(1, 6))

CIFAR = (
    declared(
        "CIFAR10",
        pickled_rows(
            {"train": _BATCHES, "test": ("cifar-10-batches-py/test_batch",)}, {"label": b"labels"}
        ),
        changed(image=_drawn),
    ),
    declared(
        "CIFAR100",
        pickled_rows(
            {"train": ("cifar-100-python/train",), "test": ("cifar-100-python/test",)},
            {"label": b"fine_labels", "coarse_label": b"coarse_labels"},
            count_names=True,
        ),
        changed(image=_drawn),
        meta={"class_names": _meta_names},
    ),
)

# ImageNet

_COMPRESS = (
    Option(
        "compress",
        "make large photos smaller, as JPEG of this quality (85 if none is given)",
        default=None,
        settings={"type": int, "nargs": "?", "const": 85, "metavar": "0-100"},
    ),
    Option(
        "subsampling",
        "of the colours of those, such as 420, 422 or 444",
        default="422",
        settings={"choices": ["420", "422", "444"]},
    ),
)
_DEVKIT = "ILSVRC2012_devkit_t12/data/"


def _smaller(sample: Sample, options: Options) -> Iterator[Sample]:
    image = recompressed(sample["image"], options["compress"], options["subsampling"])
    yield {**sample, "image": image}


def _synsets(task: Task) -> dict[int, tuple[str, str]]:
    """Read the synset and the words of each class number."""
    found = mat(task["devkit"].read(f"{_DEVKIT}meta.mat"), "synsets")["synsets"].ravel()
    # Only synsets without children are classes; the others are their hypernyms.
    leaves = found[[int(n.item()) == 0 for n in found["num_children"]]]
    numbers = [int(n.item()) for n in leaves["ILSVRC2012_ID"]]
    synsets = zip(texts(leaves["WNID"]), texts(leaves["words"]), strict=True)
    return dict(zip(numbers, synsets, strict=True))


def _ilsvrc(task: Task) -> Iterator[Item]:
    synsets, archive = _synsets(task), task[task.split]
    # Labels are ranks of the sorted synsets; the numbers of the devkit are others.
    names = sorted(synset for synset, _ in synsets.values())
    ranks = {synset: label for label, synset in enumerate(names)}
    if task.split == "train":
        # A tar of a tar for each class: both are read as streams.
        tars = ((PurePosixPath(tar).stem, images) for tar, images in archive.nested())
        return _labelled(archive, ((s, *image) for s, images in tars for image in images), ranks)
    lines = task["devkit"].lines(f"{_DEVKIT}ILSVRC2012_validation_ground_truth.txt")
    labels = {
        f"ILSVRC2012_val_{number:08d}.JPEG": ranks[synsets[int(line)][0]]
        for number, line in enumerate(lines, 1)
    }
    return _labelled(archive, _flat(archive), labels)


def _flat(archive: Archive, known_by: Callable[[str], str] = base) -> Iterator[_Image]:
    return ((known_by(name), name, data) for name, data in archive.stream())


def _labelled(
    archive: Archive, images: Iterable[_Image], labels: Mapping[str, int | None]
) -> Iterator[Item]:
    """Yield an item for each image of an archive; images of all labels must be there."""
    came = set()
    for known_by, name, data in images:
        label = of_key(labels, known_by, "label")
        came.add(known_by)
        yield Item(name, {"image": data} | ({} if label is None else {"label": label}))
    _all_came(labels.keys() - came, archive)


def _all_came(missing: set[str], archive: Archive) -> None:
    if missing:
        raise NotFoundError(f"{archive.path}: has no member {min(missing)!r}; download it again")


ILSVRC2012 = declared(
    "ILSVRC2012",
    _ilsvrc,
    _smaller,
    options=_COMPRESS,
    meta={"synsets": lambda task: sorted(_synsets(task).values())},
)


def _tree(task: Task) -> dict[str, Any]:
    name = "imagenet21k_miil_tree.pth"
    tree = checkpoint(task["tree"].read(name), name)
    if not isinstance(tree, dict) or not {"class_description", "class_tree_list"} <= set(tree):
        raise FormatError(f"{name}: has no class_description and class_tree_list")
    return tree


def _imagenet21k(task: Task) -> Iterator[Item]:
    tree = _tree(task)
    labels = {synset: label for label, synset in enumerate(tree["class_description"])}
    came = set()
    for tar, images in task["data"].nested():
        synset = PurePosixPath(tar).stem
        if synset not in labels:  # the tree has only some of the synsets
            continue
        label = labels[synset]
        came.add(synset)
        above = [int(node) for node in tree["class_tree_list"][label]]
        for number, (name, data) in enumerate(sorted(images)):
            found = {"image": data, "label": label, "label_tree": above}
            # The split of datadings: the first 50 images of each class, by name, are validation.
            yield Item(name, found, "val" if number < 50 else "train")
    _all_came(labels.keys() - came, task["data"])


def _decodable(sample: Sample, options: Options) -> Iterator[Sample]:
    """Some files are compressed once more, and some are no images: those are left out."""
    try:
        data = sample["image"]
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        yield from _smaller({**sample, "image": data}, options)
    except (FormatError, OSError, EOFError):
        return


IMAGENET21K = declared(
    "ImageNet21k",
    _imagenet21k,
    _decodable,
    options=_COMPRESS,
    meta={"words": lambda task: dict(_tree(task)["class_description"])},
)

# Places365


def _places365_files(options: Options) -> dict[str, Source]:
    size = "256" if options["low_res"] else "large"
    kind = "challenge" if options["challenge"] else "standard"
    found = sources("Places365")
    return {
        "training": found[f"train_{size}_{kind}"],
        "validation": found[f"val_{size}"],
        "testing": found[f"test_{size}"],
        "lists": found["lists"],
    }


def _places365(task: Task) -> Iterator[Item]:
    lists, archive = task["lists"], task[task.split]
    if task.split == "training":
        photos = (image for image in _flat(archive, _place) if image[1].endswith(".jpg"))
        return _labelled(archive, photos, _places365_classes(task))
    if task.split == "testing":
        names = (line.strip() for line in lists.lines("places365_test.txt"))
        return _labelled(archive, _flat(archive), dict.fromkeys(names))
    rows = table(lists.lines("places365_val.txt"))
    return _labelled(archive, _flat(archive), {name: int(label) for name, label in rows})


def _place(name: str) -> str:
    """Return the class in a name such as ``data_large/a/airfield/00000001.jpg``."""
    return "/".join(name.split("/")[2:-1])


def _places365_classes(task: Task) -> dict[str, int]:
    """Return the label of each class, from the lists or the sorted names of folders."""
    lists = task["lists"]
    if named := lists.ending("categories_places365.txt"):
        rows = table(lists.lines(named[0]))
        return {name.split("/", 2)[2]: int(label) for name, label in rows}
    names = {_place(name) for name in task["training"].ending(".jpg")}
    return {name: label for label, name in enumerate(sorted(names))}


PLACES365 = declared(
    "Places365",
    _places365,
    sources=_places365_files,
    options=(
        Option("low_res", "the images of 256 x 256 pixels", ("-l", "--low-res")),
        Option("challenge", "the 8 million of the challenge", ("-c", "--challenge")),
    ),
)

SETS = (*CIFAR, ILSVRC2012, IMAGENET21K, PLACES365)
