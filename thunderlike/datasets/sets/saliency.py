"""Sets of where people look: ANP460, CAT2000, Coutrot1, FIGRIM, MIT1003, MIT300, SALICON."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.pictures import jpeg, opened
from thunderlike.datasets.sets import types
from thunderlike.datasets.sets.parsers import base, floats, mat, mats, of_key, table, tail
from thunderlike.datasets.sets.spec import Item, SetSpec, Source, Split
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.Image import Image

    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]


def _experiment(locations: Any) -> dict[str, Any]:
    return types.ordered("SaliencyExperiment", {"locations": locations, "map": None})


# MIT300 and MIT1003


def _mit300(task: Task) -> Iterator[Item]:
    for name in task["images"].ending(".jpg"):
        if "SM" not in name and not name.startswith("__"):
            yield Item(name, {"image": task["images"].member(name)})


MIT300 = SetSpec(
    name="MIT300",
    about="300 photos whose fixations are kept back for a benchmark.",
    kind="saliency",
    sample="ImageData",
    sources={
        "images": Source(
            "BenchmarkIMAGES.zip",
            "03ed32bdf5e4289950cd28df89451260",
            "http://saliency.mit.edu/BenchmarkIMAGES.zip",
        )
    },
    splits=(Split("MIT300", 300),),
    parse=_mit300,
    size="107 MB",
    see="http://saliency.mit.edu/results_mit300.html",
)


def _mit1003(task: Task) -> Iterator[Item]:
    images, data = task["images"], task["data"]
    subjects: defaultdict[str, list[Any]] = defaultdict(list)
    for name in data.ending(".mat"):
        if name.count("/") == 2:
            subjects[base(name).split(".")[0]].append(data.member(name))
    for name in images.ending(".jpeg"):
        found = of_key(subjects, base(name).split(".")[0], "fixations")
        yield Item(tail(name), {"image": images.member(name), "experiments": found})


def _mit1003_fixations(record: Any) -> Any:
    """Where the eyes were, in whichever of two places a file has it."""
    record = record[0][0]
    try:
        return record[4][0][0][2]
    except IndexError:
        return record[0][0][0][2]


def _mit1003_convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    found = [floats(mats(_mit1003_fixations, data)) for data in sample["experiments"]]
    yield {**sample, "experiments": [_experiment(locations) for locations in found]}


_JUDD = "http://people.csail.mit.edu/tjudd/WherePeopleLook/"

MIT1003 = SetSpec(
    name="MIT1003",
    about="1003 photos, each looked at by 15 people.",
    kind="saliency",
    sample="SaliencyData",
    sources={
        "images": Source(
            "ALLSTIMULI.zip", "0d7df8b954ecba69b6796e77b9afe4b6", f"{_JUDD}ALLSTIMULI.zip"
        ),
        "data": Source("DATA.zip", "ea19d74ad0a0144428c53e9d75c2d71c", f"{_JUDD}DATA.zip"),
    },
    splits=(Split("MIT1003", 1003),),
    parse=_mit1003,
    convert=_mit1003_convert,
    size="200 MB",
    see="http://people.csail.mit.edu/tjudd/WherePeopleLook/",
)

# CAT2000

_CAT_SIDE = 1024
_CAT_BORDER = 20  # how far from the colour of the corner pixel the border may be


def _cat2000(task: Task) -> Iterator[Item]:
    archive = task[task.split]
    for name in archive.ending(".jpg"):
        if "Stimuli" in name and "Output" not in name:
            place = name.replace("Stimuli", "FIXATIONLOCS").removesuffix(".jpg") + ".mat"
            found = archive.member(place) if place in archive else None
            yield Item(tail(name), {"image": archive.member(name), "experiments": found})


def _cat2000_convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    image = opened(sample["image"]).convert("RGB")
    box = _inside_border(image)
    cut = image.crop(box)
    scale = _CAT_SIDE / max(cut.size)
    size = (round(cut.width * scale), round(cut.height * scale))
    locations = None
    if sample["experiments"] is not None:
        locations = _moved(mat(sample["experiments"], "fixLocs")["fixLocs"], box, scale, size)
    scaled = np.asarray(cut.resize(size, resample=1))  # Lanczos
    yield {**sample, "image": jpeg(scaled, 90), "experiments": [_experiment(locations)]}


def _inside_border(image: Image) -> tuple[int, int, int, int]:
    """What is not of the colour of the corner: left, top, right, bottom."""
    pixels = np.asarray(image).astype(int)
    found = (np.abs(pixels - pixels[0, 0]) * 2 > _CAT_BORDER).any(axis=-1)
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise FormatError("an image is of one colour, there is nothing inside of its border")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _moved(
    fixated: NDArray[Any], box: tuple[int, ...], scale: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Fixated pixels as ``(x, y)`` in the image that was cut and scaled."""
    rows, columns = np.nonzero(fixated)
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    points = ((points - box[:2]) * scale).astype(np.float32)
    return points[(points > 0).any(axis=1) & (points < size).all(axis=1)]


def _cat_source(file: str, md5: str) -> Source:
    return Source(file, md5, f"http://saliency.mit.edu/{file}")


CAT2000 = SetSpec(
    name="CAT2000",
    about="4000 pictures of 20 categories, half of them with fixations; borders are cut off.",
    kind="saliency",
    sample="SaliencyData",
    sources={
        "train": _cat_source("trainSet.zip", "56ad5c77e6c8f72ed9ef2901628d6e48"),
        "test": _cat_source("testSet.zip", "903ec668df2e5a8470aef9d8654e7985"),
    },
    splits=(Split("train", 2000, needs=("train",)), Split("test", 2000, needs=("test",))),
    parse=_cat2000,
    convert=_cat2000_convert,
    size="8 GB",
    see="http://saliency.mit.edu/results_cat2000.html",
)

# SALICON


def _salicon(task: Task) -> Iterator[Item]:
    images, data = task["images"], task["fixations"]
    for name in images.ending(".jpg"):
        key = name.removesuffix(".jpg").removeprefix("images/")
        if key.startswith(task.split):
            found = {"image": images.member(name), "experiments": data.member(f"{key}.mat")}
            yield Item(key, found)


def _salicon_convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    with damage("matlab"):
        gaze = mat(sample["experiments"]).get("gaze")
        found = [] if gaze is None else [_series(subject) for subject in gaze.ravel()]
    yield {**sample, "experiments": found}


def _series(subject: Any) -> dict[str, Any]:
    locations, times, fixations = list(subject)[:3]
    values = {
        "locations": floats(locations, 2),
        "map": None,
        "timestamps": floats(times).ravel(),
        "fixations": floats(fixations, 2),
    }
    return types.ordered("SaliencyTimeseriesExperiment", values)


def _salicon_set(year: int, md5: str, drive: str) -> SetSpec:
    address = "https://drive.google.com/uc?id={}&export=download"
    image = Source(
        "image.zip",
        "eb2a1bb706633d1b31fc2e01422c5757",
        address.format("1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5"),
    )
    return SetSpec(
        name=f"SALICON{year}",
        about=f"20 000 photos of COCO with mouse tracks in place of eyes: the release of {year}.",
        kind="saliency",
        sample="SaliencyData",
        sources={
            "images": image,
            "fixations": Source("fixations.zip", md5, address.format(drive)),
        },
        splits=(Split("train", 10000), Split("val", 5000), Split("test", 5000)),
        parse=_salicon,
        convert=_salicon_convert,
        size="4 GB",
        see="http://salicon.net",
    )


SALICON2015 = _salicon_set(2015, "9a22db9d718200fb90252e5010c004c4", "0B2hsWbciDVedWHFiMUVVWFRZTE0")
SALICON2017 = _salicon_set(2017, "462b70f4f9e8ea446ac628e46cea8d3d", "0B2hsWbciDVedS1lBZHprdXFoZkU")

# FIGRIM


def _figrim(task: Task) -> Iterator[Item]:
    images, records = task[task.split], task[f"{task.split}_data"]
    (name,) = records.names
    known = mats(_by_name, records.read(name))
    for image in images.ending(".jpg"):
        if image in known:  # some have no fixations
            yield Item(image, {"image": images.member(image), "experiments": known[image]})


def _by_name(records: Any) -> dict[str, list[Any]]:
    return {str(one[2].item()): _looks(one[3].ravel()) for one in records.ravel()}


def _looks(subjects: Any) -> list[Any]:
    held = (subject[4] for subject in subjects if len(subject) > 4)
    return [_experiment(floats(one)) for looks in held if looks.size for one in looks[0][0]]


_ZOYA = "https://github.com/cvzoya/figrim/raw/master/"

FIGRIM = SetSpec(
    name="FIGRIMFixation",
    about="2700 scenes with the fixations of people who had to remember them.",
    kind="saliency",
    sample="SaliencyData",
    sources={
        "target": Source(
            "Targets.zip",
            "2ad3a42ebc377efe4b39064405568201",
            "http://figrim.mit.edu/Targets.zip",
        ),
        "target_data": Source(
            "allImages_release.mat",
            "c72843b05e95ab27594c1d11c849c897",
            f"{_ZOYA}targetData/allImages_release.mat",
        ),
        "filler": Source(
            "Fillers.zip",
            "dc0bc9561b5bc90e158ec32074dd1060",
            "http://figrim.mit.edu/Fillers.zip",
        ),
        "filler_data": Source(
            "allImages_fillers.mat",
            "ce4f8b4961005d62f7a21191a64cab5e",
            f"{_ZOYA}fillerData/allImages_fillers.mat",
        ),
    },
    splits=(
        Split("target", 630, needs=("target", "target_data")),
        Split("filler", 2157, needs=("filler", "filler_data")),
    ),
    parse=_figrim,
    size="600 MB",
    see="http://figrim.mit.edu/index_eyetracking.html",
)

# ANP460


def _anp460(task: Task) -> Iterator[Item]:
    images, data = task["images"], task["data"]
    kinds = json.loads(data.read("wrangled_data/image_anp_list.json"))
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in data.ending(".txt"):
        found[base(name)].append(name)
    answers = [data.lines(name) for name in found.pop("answer.txt", [])]
    for name in images.ending(".jpg"):
        stem = base(name).removesuffix(".jpg")
        looks = of_key(found, f"{stem}.txt", "fixations")
        told = [_answer(lines, int(stem)) for lines in answers]
        anp, kind = of_key(kinds, base(name), "kind")
        experiments = [
            {"locations": data.member(look), "answer": answer, "duration": duration}
            for look, (answer, duration) in zip(looks, told, strict=False)
        ]
        values = {"experiments": experiments, "anp": anp, "type": kind}
        yield Item(tail(name), {"image": images.member(name), **values})


def _answer(lines: list[str], number: int) -> tuple[str, float]:
    try:
        _, answer, delay = table([lines[number]], ",")[0]
        return answer, float(delay)
    except (IndexError, ValueError) as error:
        raise FormatError(f"answer.txt has no answer in line {number}: {error}") from error


def _anp460_convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    found = []
    for look in sample["experiments"]:
        with damage("csv"):
            rows = table(look["locations"].read().decode().splitlines(), ",")
            locations = np.array([row[1:3] for row in rows if len(row) > 2], np.float32)
        values = {**look, "locations": locations, "map": None}
        found.append(types.ordered("ANP460Experiment", values))
    yield {**sample, "experiments": found}


ANP460 = SetSpec(
    name="ANP460",
    about="460 photos that stand for pairs of an adjective and a noun, with fixations and answers.",
    kind="saliency",
    sample="ANP460Data",
    sources={
        "images": Source("images_original.zip"),
        "data": Source("wrangled_data.zip"),
    },
    splits=(Split("ANP460", 460),),
    parse=_anp460,
    convert=_anp460_convert,
    manual="ask its authors for images_original.zip and wrangled_data.zip",
)

SETS = (ANP460, CAT2000, FIGRIM, MIT1003, MIT300, SALICON2015, SALICON2017)
