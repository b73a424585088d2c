"""Coutrot1: videos in which people look at what moves; needs OpenCV (extra ``vision``)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.images import frames, jpeg, tracked
from thunderlike.datasets.sets import types
from thunderlike.datasets.sets.facts import declared
from thunderlike.datasets.sets.parsers import base, floats, mats, of_key
from thunderlike.datasets.sets.spec import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = ["SETS"]

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


def _clips(database: Any) -> dict[str, NDArray[np.float32]]:
    """Where each subject looked in each frame of each clip: ``(subject, frame, xy)``."""
    groups = (database[name][0, 0][0, 0] for name in database.dtype.names if name != "Header")
    return {
        clip: floats(group[clip]["data"][0, 0]).transpose(2, 1, 0)
        for group in groups
        for clip in group.dtype.names
    }


def _followed(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
    """Frames with enough points: fixations of this frame and of earlier ones, followed until it."""
    points: dict[tuple[int, int], NDArray[Any]] = {}
    before, last = None, 0
    for number, frame in enumerate(frames(sample["video"])):
        for subject, look in enumerate(sample["looks"]):
            if number < len(look) and not np.isnan(look[number]).any():
                points[subject, number] = look[number]
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
        types.ordered("SaliencyExperiment", {"locations": floats(one, 2), "map": None})
        for one in subjects.values()
        if len(one) >= _LEAST
    ]


SETS = (declared("Coutrot1", _coutrot, _followed),)
