"""Sets of fixations: ANP460, CAT2000, Coutrot1, FIGRIMFixation, MIT1003, MIT300, SALICON.

Coutrot1 needs OpenCV (extra ``vision``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.images import frames, inside_border, jpeg, opened, tracked
from thunderlike.datasets.sets import spec
from thunderlike.datasets.sets.parsers import (
    base,
    changed,
    floats,
    mat,
    matching,
    mats,
    of_key,
    paired,
    table,
    tail,
)
from thunderlike.datasets.sets.spec import Item, declared
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]


def _experiment(locations: object) -> dict[str, Any]:
    return spec.ordered("SaliencyExperiment", {"locations": locations, "map": None})


MIT300 = declared(
    "MIT300",
    paired(matching("images", r"(?!__)((?:(?!SM).)*\.jpg)"), {"image": "images:{key}"}),
)

# MIT1003


def _mit1003_looks(task: Task) -> Callable[[str], list[Any]]:
    """Group the files of all subjects by image."""
    subjects: defaultdict[str, list[Any]] = defaultdict(list)
    for name in task["data"].ending(".mat"):
        if name.count("/") == 2:
            subjects[_stem(name)].append(task["data"].member(name))
    return lambda key: of_key(subjects, _stem(key), "fixations")


def _stem(name: str) -> str:
    return base(name).split(".")[0]


def _mit1003_experiments(files: list[bytes]) -> list[dict[str, Any]]:
    """Read the fixations of each subject, from either of two positions in the file."""

    def fixations(variable: NDArray[Any]) -> ArrayLike:
        record = variable[0][0]
        found: ArrayLike
        try:
            found = record[4][0][0][2]
        except IndexError:  # files have one of two layouts
            found = record[0][0][0][2]
        return found

    return [_experiment(floats(mats(fixations, data))) for data in files]


MIT1003 = declared(
    "MIT1003",
    paired(
        matching("images", r"(.*\.jpeg)"),
        {"image": "images:{key}", "experiments": _mit1003_looks},
        tail,
    ),
    changed(experiments=_mit1003_experiments),
)

# CAT2000

_CAT_SIDE = 1024
_CAT_BORDER = 10  # how far from the colour of the corner pixel the border may be


def _cat2000_map(task: Task) -> Callable[[str], Any]:
    """Find the fixation map, which the test split lacks."""

    def found(key: str) -> Any:
        archive, name = task[task.split], f"{key.replace('Stimuli', 'FIXATIONLOCS')}.mat"
        return archive.member(name) if name in archive else None

    return found


def _cat2000_convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    image = opened(sample["image"]).convert("RGB")
    box = inside_border(image, _CAT_BORDER)
    cut = image.crop(box)
    scale = _CAT_SIDE / max(cut.size)
    size = (round(cut.width * scale), round(cut.height * scale))
    locations = None
    if sample["experiments"] is not None:
        locations = _moved(mat(sample["experiments"], "fixLocs")["fixLocs"], box, scale, size)
    scaled = np.asarray(cut.resize(size, resample=1))  # Lanczos
    yield {**sample, "image": jpeg(scaled, 90), "experiments": [_experiment(locations)]}


def _moved(
    fixated: NDArray[Any], box: tuple[int, ...], scale: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return fixated pixels as ``(x, y)`` of the image that was cut and scaled."""
    rows, columns = np.nonzero(fixated)
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    points = ((points - box[:2]) * scale).astype(np.float32)
    # As datadings does: a point with one coordinate above 0 is kept.
    return points[(points > 0).any(axis=1) & (points < size).all(axis=1)]


CAT2000 = declared(
    "CAT2000",
    paired(
        matching("{split}", r"(?!.*Output)(.*Stimuli.*)\.jpg"),
        {"image": "{split}:{key}.jpg", "experiments": _cat2000_map},
        lambda key: f"{tail(key)}.jpg",
    ),
    _cat2000_convert,
)

# SALICON


def _salicon_experiments(data: bytes) -> list[dict[str, Any]]:
    with damage("matlab"):
        gaze = mat(data).get("gaze")  # files of the test split have none
        experiments = []
        for subject in () if gaze is None else gaze.ravel():
            locations, times, fixations = list(subject)[:3]
            values = {
                "locations": floats(locations, 2),
                "map": None,
                "timestamps": floats(times).ravel(),
                "fixations": floats(fixations, 2),
            }
            experiments.append(spec.ordered("SaliencyTimeseriesExperiment", values))
        return experiments


_salicon = paired(
    matching("images", r"((?:images/)?{split}.*)\.jpg"),
    {
        "image": "images:{key}.jpg",
        # Photos may be in a folder that the archive of fixations lacks.
        "experiments": lambda task: (
            lambda key: task["fixations"].member(f"{key.removeprefix('images/')}.mat")
        ),
    },
    lambda key: key.removeprefix("images/"),
)

_converted = changed(experiments=_salicon_experiments)
SALICON = tuple(declared(f"SALICON{year}", _salicon, _converted) for year in (2015, 2017))

# FIGRIM


def _figrim(task: Task) -> Iterator[Item]:
    images, records = task[task.split], task[f"{task.split}_data"]
    (name,) = records.names
    known = mats(_by_name, records.read(name))
    for image in images.ending(".jpg"):
        if image in known:  # some have no fixations
            yield Item(image, {"image": images.member(image), "experiments": known[image]})


def _by_name(records: NDArray[Any]) -> dict[str, list[dict[str, Any]]]:
    """Read the fixations of all subjects of each image."""
    experiments: dict[str, list[dict[str, Any]]] = {}
    for record in records.ravel():
        # Some subjects have no fixations of the image: fewer fields, or an empty one.
        held = (subject[4] for subject in record[3].ravel() if len(subject) > 4)
        experiments[str(record[2].item())] = [
            _experiment(floats(one)) for looks in held if looks.size for one in looks[0][0]
        ]
    return experiments


FIGRIM = declared("FIGRIMFixation", _figrim)

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
        answered = [_answer(lines, int(stem)) for lines in answers]
        anp, kind = of_key(kinds, base(name), "kind")
        experiments = [
            {"locations": data.member(look), "answer": answer, "duration": duration}
            for look, (answer, duration) in zip(looks, answered, strict=False)
        ]
        values = {"experiments": experiments, "anp": anp, "type": kind}
        yield Item(tail(name), {"image": images.member(name), **values})


def _answer(lines: list[str], number: int) -> tuple[str, float]:
    try:
        _, answer, delay = table([lines[number]], ",")[0]
        return answer, float(delay)
    except (IndexError, ValueError) as error:
        raise FormatError(f"answer.txt has no answer in line {number}: {error}") from error


def _anp460_experiments(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for look in looks:
        with damage("csv"):
            rows = table(look["locations"].read().decode().splitlines(), ",")
            locations = np.array([row[1:3] for row in rows if len(row) > 2], np.float32)
        values = {**look, "locations": locations, "map": None}
        found.append(spec.ordered("ANP460Experiment", values))
    return found


ANP460 = declared("ANP460", _anp460, changed(experiments=_anp460_experiments))

_WINDOW = 21  # pixels in which a point is looked for
_ERROR = 1.0  # pixels by which a point may miss itself, there and back
_AGE = 60  # frames for which a fixation is followed
_LEAST = 30  # points that make an experiment
_EVERY = 10  # frames between samples, at least


def _coutrot(task: Task) -> Iterator[Item]:
    clips = mats(_clips, task["data"].read("coutrot_database1.mat"))
    videos = task["videos"]
    for name in videos.ending(".avi"):
        looks = of_key(clips, base(name).removesuffix(".avi"), "fixations")
        yield Item(name, {"video": videos.member(name), "looks": looks})


def _clips(database: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """Read the fixations of each clip: ``(subject, frame, xy)``."""
    groups = (database[name][0, 0][0, 0] for name in database.dtype.names or () if name != "Header")
    return {
        clip: floats(group[clip]["data"][0, 0]).transpose(2, 1, 0)
        for group in groups
        for clip in group.dtype.names or ()
    }


def _followed(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    """Yield frames with enough points: fixations of it and earlier ones, tracked to it."""
    points: dict[tuple[int, int], NDArray[Any]] = {}
    before, last = None, 0
    for number, frame in enumerate(frames(sample["video"])):
        for subject, look in enumerate(sample["looks"]):
            if number < len(look) and not np.isnan(look[number]).any():
                points[subject, number] = look[number]
        # Keyed by the frame of the fixation, so that a point ends with its age.
        points = {mark: at for mark, at in points.items() if number - mark[1] <= _AGE}
        grey = frame.mean(axis=-1).astype(np.uint8)
        if before is not None and points:
            points = tracked(before, grey, points, _WINDOW, _ERROR)
        before = grey
        experiments = _experiments(points)
        if number - last >= _EVERY and experiments:
            key = f"ERB3_Stimuli/{sample['key']}_{number:06d}"
            yield {"key": key, "image": jpeg(frame, 95), "experiments": experiments}
            last = number


def _experiments(points: dict[tuple[int, int], Any]) -> list[dict[str, Any]]:
    subjects: defaultdict[int, list[Any]] = defaultdict(list)
    for (subject, _), at in points.items():
        subjects[subject].append(at)
    return [
        spec.ordered("SaliencyExperiment", {"locations": floats(one, 2), "map": None})
        for one in subjects.values()
        if len(one) >= _LEAST
    ]


COUTROT1 = declared("Coutrot1", _coutrot, _followed)

SETS = (ANP460, CAT2000, COUTROT1, FIGRIM, MIT1003, MIT300, *SALICON)
