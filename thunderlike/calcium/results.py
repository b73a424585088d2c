"""Results of a run of the pipeline, read from its folder when asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import extraction, registration, storage, traces
from thunderlike.errors import FormatError, NotFoundError, SpecError
from thunderlike.hdf5 import api as hdf5

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike._typing import Array
    from thunderlike.extraction import ExtractionModel
    from thunderlike.registration import RegistrationModel
    from thunderlike.storage import AnyPath
    from thunderlike.traces import Events, Traces

__all__ = ["Plane", "Result", "flat", "load"]


def flat(image: Array) -> Array:
    """Return an image of two axes as it is, and the maximum over the planes of a volume.

    Examples
    --------
    >>> flat(np.arange(8).reshape(2, 2, 2))
    array([[4, 5],
           [6, 7]])
    """
    return image if image.ndim == 2 else image.max(axis=0)


@dataclass(frozen=True)
class Plane:
    """Results of one plane, each read at first use.

    Parameters
    ----------
    folder : str
        Where its files are.
    number : int or None
        Of the plane in the volumes; None for images, and for planes together.

    Examples
    --------
    >>> Plane("session/plane1", 1).number
    1
    """

    folder: str
    number: int | None = None

    @cached_property
    def motion(self) -> RegistrationModel:
        """The motion of each frame.

        Raises
        ------
        NotFoundError
            If the movie was not registered.
        """
        return registration.load(storage.join(self.folder, "motion.h5"))

    @cached_property
    def images(self) -> dict[str, Array]:
        """Images of the registered movie: ``mean``, ``max``, ``correlation``, float32."""
        found: dict[str, Array] = hdf5.load(storage.join(self.folder, "images.h5"))
        return found

    @cached_property
    def cells(self) -> ExtractionModel:
        """All components, and which of them are accepted as cells."""
        return extraction.load(storage.join(self.folder, "cells.h5"))

    @cached_property
    def traces(self) -> Traces:
        """Traces of all components, with the neuropil."""
        return traces.load(storage.join(self.folder, "traces.h5"))

    @cached_property
    def activity(self) -> dict[str, Any]:
        """Arrays ``dff``, ``spikes`` and ``calcium`` of shape (K, T), ``events``, ``quality``."""
        found: dict[str, Any] = hdf5.load(storage.join(self.folder, "activity.h5"))
        return found

    @property
    def events(self) -> Events:
        """Times and amplitudes of the events of each trace."""
        return traces.Events(**self.activity["events"])

    def summary(self) -> dict[str, Any]:
        """Return the main numbers of the plane as plain values for JSON."""
        cells = self.cells
        chosen = cells.accepted
        return {
            "plane": self.number,
            "motion": self._motion(),
            "cells": {"found": cells.count, "accepted": int(chosen.sum())},
            "median_quality": self._medians(cells.quality),
            "median_quality_of_traces": self._medians(self.activity["quality"]),
            "events": int(self.events.counts[chosen].sum()),
            "flags": {name: int(rows.sum()) for name, rows in self.traces.flags.items()},
        }

    def _medians(self, quality: Mapping[str, Array]) -> dict[str, float | None]:
        """Return the medians of measures over the accepted cells; None where there are none."""
        found = {}
        for name, values in quality.items():
            if values.dtype.kind in "biuf":
                finite = values[self.cells.accepted & np.isfinite(values)]
                found[name] = float(np.median(finite)) if finite.size else None
        return found

    def _motion(self) -> dict[str, Any] | None:
        try:
            model = self.motion
        except NotFoundError:
            return None
        good = model.shifts[~model.bad]
        return {
            "algorithm": model.algorithm,
            "largest_shift": float(np.abs(good).max(initial=0)),
            "rms_shift": [float(x) for x in np.sqrt(np.square(model.shifts).mean(axis=0))],
            "median_stderr": [float(x) for x in np.median(model.stderr, axis=0)],
            "bad_frames": np.flatnonzero(model.bad).tolist(),
        }


@dataclass(frozen=True)
class Result:
    """Results of :func:`thunderlike.calcium.run` in a folder.

    Parameters
    ----------
    output : str
        The folder.
    summary : dict
        What ``summary.json`` says.

    Examples
    --------
    >>> Result("session", {"planes": [{"plane": None, "cells": {"found": 9, "accepted": 7}}]})
    Result
    output: session
    planes: 1
    cells: 7
    components: 9
    """

    output: str
    summary: dict[str, Any]

    @cached_property
    def planes(self) -> tuple[Plane, ...]:
        """Results of each plane; of a movie of images, one."""
        numbers = [facts["plane"] for facts in self.summary["planes"]]
        return tuple(
            Plane(self.output if n is None else storage.join(self.output, f"plane{n}"), n)
            for n in numbers
        )

    @property
    def plane(self) -> Plane:
        """The only plane.

        Raises
        ------
        SpecError
            If there are several.
        """
        if len(self.planes) > 1:
            raise SpecError(f"{self.output}: has {len(self.planes)} planes: choose one of planes")
        return self.planes[0]

    def __repr__(self) -> str:
        cells = [facts["cells"] for facts in self.summary["planes"]]
        facts = {
            "output": self.output,
            "planes": len(cells),
            "cells": sum(one["accepted"] for one in cells),
            "components": sum(one["found"] for one in cells),
        }
        return "\n".join(["Result", *(f"{name}: {fact}" for name, fact in facts.items())])


def load(output: AnyPath) -> Result:
    """Return the results of an earlier run.

    Parameters
    ----------
    output : path
        Its folder.

    Raises
    ------
    NotFoundError
        If there is no finished run.
    FormatError
        If the folder holds something else.

    Examples
    --------
    >>> load("memory://nothing")
    Traceback (most recent call last):
    ...
    thunderlike.errors.NotFoundError: memory://nothing: holds no finished run: ...
    """
    address = storage.at(output).rstrip("/")
    try:
        summary = json.loads(storage.read(storage.join(address, "summary.json")))
        result = Result(address, summary)
        assert isinstance(result.planes, tuple)
    except NotFoundError:
        raise NotFoundError(
            f"{address}: holds no finished run: start tl.calcium.run again, which continues it"
        ) from None
    except (ValueError, TypeError, LookupError) as error:
        raise FormatError(f"{address}/summary.json: is not of a calcium run: {error}") from error
    return result
