"""Sets of labelled images: CIFAR10, CIFAR100, ILSVRC2012, ImageNet21k, Places365."""

from __future__ import annotations

import gzip
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from thunderlike.datasets.pictures import png, recompressed
from thunderlike.datasets.sets.parsers import base, mat, of_key, pickled_rows, table, texts
from thunderlike.datasets.sets.pickles import checkpoint, load
from thunderlike.datasets.sets.spec import Item, Option, SetSpec, Source, Split
from thunderlike.errors import FormatError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]

# CIFAR

_TORONTO = "https://www.cs.toronto.edu/~kriz/"


def _drawn(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    row = sample.pop("row")
    if getattr(row, "shape", None) != (3072,):
        raise FormatError("an image is a row of 3072 values")
    yield {**sample, "image": png(row.reshape(3, 32, 32).transpose(1, 2, 0))}


_BATCHES = tuple(f"cifar-10-batches-py/data_batch_{n}" for n in range(1, 6))

CIFAR10 = SetSpec(
    name="CIFAR10",
    about="60 000 images of 32 x 32 pixels in 10 classes.",
    kind="classification",
    sample="ImageClassificationData",
    sources={
        "all": Source(
            "cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
            f"{_TORONTO}cifar-10-python.tar.gz",
        )
    },
    splits=(Split("train", 50000), Split("test", 10000)),
    parse=pickled_rows(
        {"train": _BATCHES, "test": ("cifar-10-batches-py/test_batch",)}, {"label": b"labels"}
    ),
    convert=_drawn,
    size="163 MB",
    see="https://www.cs.toronto.edu/~kriz/cifar.html",
    classes=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
)

_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""


def _meta_names(task: Task) -> dict[str, list[str]]:
    """The names of both kinds of labels, from the archive."""
    found = load(task["all"].read("cifar-100-python/meta"), "meta")
    kinds = ("fine_label_names", "coarse_label_names")
    return {kind: [name.decode() for name in found[kind.encode()]] for kind in kinds}


CIFAR100 = SetSpec(
    name="CIFAR100",
    about="60 000 images of 32 x 32 pixels in 100 classes, grouped in 20.",
    kind="classification",
    sample="ImageCoarseClassificationData",
    sources={
        "all": Source(
            "cifar-100-python.tar.gz",
            "eb9058c3a382ffc7106e4002c42a8d85",
            f"{_TORONTO}cifar-100-python.tar.gz",
        )
    },
    splits=(Split("train", 50000), Split("test", 10000)),
    parse=pickled_rows(
        {"train": ("cifar-100-python/train",), "test": ("cifar-100-python/test",)},
        {"label": b"fine_labels", "coarse_label": b"coarse_labels"},
        count_names=True,
    ),
    convert=_drawn,
    size="161 MB",
    see="https://www.cs.toronto.edu/~kriz/cifar.html",
    classes=tuple(_FINE.split()),
    meta={"class_names": _meta_names},
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
    """The synset and the words of each of the challenge's numbers."""
    found = mat(task["devkit"].read(f"{_DEVKIT}meta.mat"), "synsets")["synsets"].ravel()
    leaves = found[[int(n.item()) == 0 for n in found["num_children"]]]
    numbers = [int(n.item()) for n in leaves["ILSVRC2012_ID"]]
    return dict(
        zip(
            numbers,
            zip(texts(leaves["WNID"]), texts(leaves["words"]), strict=True),
            strict=True,
        )
    )


def _ranks(task: Task) -> dict[str, int]:
    names = sorted(synset for synset, _ in _synsets(task).values())
    return {synset: label for label, synset in enumerate(names)}


def _ilsvrc(task: Task) -> Iterator[Item]:
    return _ilsvrc_train(task) if task.split == "train" else _ilsvrc_val(task)


def _ilsvrc_train(task: Task) -> Iterator[Item]:
    ranks, came = _ranks(task), set()
    for tar, images in task["train"].nested():
        synset = PurePosixPath(tar).stem
        came.add(synset)
        for name, data in images:
            yield Item(name, {"image": data, "label": of_key(ranks, synset, "label")})
    _all_came(ranks.keys() - came, task["train"])


def _ilsvrc_val(task: Task) -> Iterator[Item]:
    synsets, ranks = _synsets(task), _ranks(task)
    lines = task["devkit"].lines(f"{_DEVKIT}ILSVRC2012_validation_ground_truth.txt")
    labels = {
        f"ILSVRC2012_val_{number:08d}.JPEG": ranks[synsets[int(line)][0]]
        for number, line in enumerate(lines, 1)
    }
    return _labelled(task["val"], labels)


def _labelled(archive: Archive, labels: Mapping[str, int | None]) -> Iterator[Item]:
    """All images of an archive, in one pass; those that have a label must all be there."""
    came = set()
    for name, data in archive.stream():
        label = of_key(labels, base(name), "label")
        came.add(base(name))
        yield Item(name, {"image": data} | ({} if label is None else {"label": label}))
    _all_came(labels.keys() - came, archive)


def _all_came(missing: set[str], archive: Archive) -> None:
    if missing:
        raise NotFound(f"{archive.path}: has no member {min(missing)!r}; get the archive anew")


ILSVRC2012 = SetSpec(
    name="ILSVRC2012",
    about="1.3 million photos in the 1000 classes of the ImageNet challenge of 2012.",
    kind="classification",
    sample="ImageClassificationData",
    sources={
        "train": Source("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
        "val": Source("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
        "devkit": Source(
            "ILSVRC2012_devkit_t12.tar.gz",
            "fa75699e90414af021442c21a62c3abf",
            "https://image-net.org/data/ILSVRC/2012/ILSVRC2012_devkit_t12.tar.gz",
        ),
    },
    splits=(
        Split("train", 1281167, needs=("train", "devkit")),
        Split("val", 50000, needs=("val", "devkit")),
    ),
    parse=_ilsvrc,
    convert=_smaller,
    options=_COMPRESS,
    shuffle=False,
    size="144 GB",
    registration=True,
    manual="register at https://image-net.org and get the images and the devkit of ILSVRC2012",
    see="https://image-net.org/challenges/LSVRC/2012/",
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
        if synset not in labels:
            continue
        label = labels[synset]
        came.add(synset)
        above = [int(node) for node in tree["class_tree_list"][label]]
        for number, (name, data) in enumerate(sorted(images)):
            found = {"image": data, "label": label, "label_tree": above}
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


IMAGENET21K = SetSpec(
    name="ImageNet21k",
    about="13 million photos in 10 450 classes and their tree: the winter release of 2021.",
    kind="classification",
    sample="ImageNet21kData",
    sources={
        "tree": Source(
            "imagenet21k_miil_tree.pth",
            "ed3a7de5b90ace4999a99fca2a129d74",
            "https://miil-public-eu.oss-eu-central-1.aliyuncs.com/model-zoo/ImageNet_21K_P/"
            "resources/winter21/imagenet21k_miil_tree.pth",
        ),
        "data": Source("winter21_whole.tar.gz", "ab313ce03179fd803a401b02c651c0a2"),
    },
    splits=(Split("train"), Split("val", 522500)),
    parse=_imagenet21k,
    convert=_decodable,
    options=_COMPRESS,
    shuffle=False,
    one_pass=True,
    size="1.1 TB",
    registration=True,
    manual="register at https://image-net.org and get the winter release of 2021",
    see="https://github.com/Alibaba-MIIL/ImageNet21K",
    meta={"words": lambda task: dict(_tree(task)["class_description"])},
)

# Places365

_MIT = "http://data.csail.mit.edu/places/places365/"
_PLACES_MD5 = {
    "filelist_places365-standard.tar": "35a0585fee1fa656440f3ab298f8479c",
    "val_large.tar": "9b71c4993ad89d2d8bcbdc4aef38042f",
    "test_large.tar": "41a4b6b724b1d2cd862fb3871ed59913",
    "train_large_places365standard.tar": "67e186b496a84c929568076ed01a8aa1",
    "train_large_places365challenge.tar": "605f18e68e510c82b958664ea134545f",
    "val_256.tar": "e27b17d8d44f4af9a78502beb927f808",
    "test_256.tar": "f532f6ad7b582262a2ec8009075e186b",
    "train_256_places365standard.tar": "53ca1c756c3d1e7809517cc47c5561c5",
    "train_256_places365challenge.tar": "741915038a5e3471ec7332404dfb64ef",
}


def _places365_files(options: Options) -> dict[str, Source]:
    size = "256" if options["low_res"] else "large"
    kind = "challenge" if options["challenge"] else "standard"
    files = {
        "training": f"train_{size}_places365{kind}.tar",
        "validation": f"val_{size}.tar",
        "testing": f"test_{size}.tar",
        "lists": "filelist_places365-standard.tar",
    }
    return {name: Source(file, _PLACES_MD5[file], _MIT + file) for name, file in files.items()}


def _places365(task: Task) -> Iterator[Item]:
    lists = task["lists"]
    if task.split == "validation":
        rows = table(lists.lines("places365_val.txt"))
        return _labelled(task["validation"], {name: int(label) for name, label in rows})
    if task.split == "testing":
        names = (line.strip() for line in lists.lines("places365_test.txt"))
        return _labelled(task["testing"], dict.fromkeys(names))
    return _places365_train(task)


def _places365_train(task: Task) -> Iterator[Item]:
    classes, came = _places365_classes(task), set()
    for name, data in task["training"].stream():
        if name.endswith(".jpg"):
            came.add(_place(name))
            yield Item(name, {"image": data, "label": of_key(classes, _place(name), "label")})
    _all_came(classes.keys() - came, task["training"])


def _place(name: str) -> str:
    """The class in a name such as ``data_large/a/airfield/00000001.jpg``."""
    return "/".join(name.split("/")[2:-1])


def _places365_classes(task: Task) -> dict[str, int]:
    """The label of each class: from the lists, or by the order of the folders' names."""
    lists = task["lists"]
    if named := lists.ending("categories_places365.txt"):
        rows = table(lists.lines(named[0]))
        return {name.split("/", 2)[2]: int(label) for name, label in rows}
    names = {_place(name) for name in task["training"].ending(".jpg")}
    return {name: label for label, name in enumerate(sorted(names))}


PLACES365 = SetSpec(
    name="Places365",
    about="2 to 8 million photos of 365 kinds of places.",
    kind="classification",
    sample="ImageClassificationData",
    sources=_places365_files,
    splits=(
        Split("training", 1803460, needs=("training", "lists")),
        Split("validation", 36500, needs=("validation", "lists")),
        Split("testing", 328500, sample="ImageData", needs=("testing", "lists")),
    ),
    parse=_places365,
    options=(
        Option("low_res", "the images of 256 x 256 pixels", ("-l", "--low-res")),
        Option("challenge", "the 8 million of the challenge", ("-c", "--challenge")),
    ),
    shuffle=False,
    size="29 to 476 GB",
    see="http://places2.csail.mit.edu/download.html",
)

SETS = (CIFAR10, CIFAR100, ILSVRC2012, IMAGENET21K, PLACES365)
