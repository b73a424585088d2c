"""Computation of each step for one field of view: a plane of the recording."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import registration, storage
from thunderlike import traces as tracing
from thunderlike._arguments import caller_level
from thunderlike.calcium.results import flat
from thunderlike.errors import SpecError, ThunderlikeError
from thunderlike.extraction import CellDetection, ExtractionModel, fromlabels
from thunderlike.hdf5 import api as hdf5
from thunderlike.registration import RegistrationModel
from thunderlike.traces.measures import measures, sensitivity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from thunderlike._typing import Array
    from thunderlike.calcium.results import Plane
    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.traces import Traces

__all__ = ["FILES", "Field", "check_options", "detector", "registrar", "usual"]

# Steps in their order, and the file that each writes.
FILES = {
    "register": "motion.h5",
    "movie": "movie.h5",
    "images": "images.h5",
    "detect": "cells.h5",
    "traces": "traces.h5",
    "spikes": "activity.h5",
    "nwb": "recording.nwb",
}

_HIGHEST_CHANGE = 100.0  # of dF/F; no indicator comes near it
_RARE = 0.01  # of the frames, displaced in one direction more than all others

_ALGORITHMS = {"rigid": registration.Rigid, "piecewise": registration.PiecewiseRigid}


def registrar(given: Any) -> Any:
    """Return the algorithm, or the model, of a parameter `registration`.

    Raises
    ------
    SpecError
        For something else.

    Examples
    --------
    >>> registrar("rigid")
    Rigid()
    """
    if given is None or isinstance(given, RegistrationModel):
        return given
    if isinstance(given, str) and given in _ALGORITHMS:
        return _ALGORITHMS[given]()
    if not isinstance(given, str) and hasattr(given, "fit"):
        return given
    raise SpecError(
        f"registration={given!r:.60} is not known: give 'rigid', 'piecewise', an algorithm such as "
        "tl.registration.Rigid(max_shift=20), a RegistrationModel, or None"
    )


def detector(given: Any, **defaults: Any) -> Any:
    """Return the algorithm, or the model, of a parameter `detection`.

    Raises
    ------
    SpecError
        For something else.
    """
    if given is None or isinstance(given, dict):
        return CellDetection(**defaults | (given or {}))
    if isinstance(given, ExtractionModel) or (not isinstance(given, str) and hasattr(given, "fit")):
        return given
    raise SpecError(
        f"detection={given!r:.60} is not known: give a dict of arguments of CellDetection, an "
        "algorithm, or an ExtractionModel"
    )


def check_options(options: Mapping[str, dict[str, Any]], fs: float, tau: float) -> None:
    """Compute traces, dF/F and spikes of one made-up cell, so that bad values show at once.

    Detection, which comes before these steps, takes longest. Arguments with one value for each cell
    or pixel are left to the steps.

    Parameters
    ----------
    options : mapping
        Arguments of the functions of traces, dF/F and spikes, by the name of the parameter.
    fs, tau : float
        In Hz and seconds.

    Raises
    ------
    ThunderlikeError
        As the functions do, with the name of the parameter first.

    Examples
    --------
    >>> check_options({"traces": {}, "dff": {"method": "highest"}, "spikes": {}}, 15, 0.7)
    Traceback (most recent call last):
    ...
    thunderlike.errors.SpecError: dff: method='highest' is not a baseline: give one of ...
    """
    single = {
        name: {key: value for key, value in given.items() if np.ndim(value) == 0}
        for name, given in options.items()
    }
    labels = np.zeros((32, 32), np.uint8)
    labels[12:20, 12:20] = 1
    movie = np.random.default_rng(0).poisson(50, (200, *labels.shape)).astype(np.float32)
    name = "traces"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fromlabels(labels).traces(movie, **{"fs": fs, "tau": tau} | single[name])
            name = "dff"
            change = _change(found, fs, single[name])
            name = "spikes"
            tracing.deconvolve(change, fs, **{"tau": tau} | single[name])
    except ThunderlikeError as error:
        raise type(error)(f"{name}: {error}") from None


def _change(found: Traces, fs: float, options: dict[str, Any]) -> Series:
    """Return dF/F, relative to the baseline of the traces without correction."""
    return tracing.dff(found.corrected, fs, **{"raw": found.F, **options})


@dataclass(frozen=True)
class Field:
    """A field of view, and the parameters of the steps.

    A step reads what earlier ones wrote from their files, so that a run that was interrupted and
    one that was not compute on the same numbers.

    Parameters
    ----------
    images : Images
        Frames of 2 axes, or volumes.
    steering : Images
        What the motion is estimated on.
    registrar, detector : object
        Of :func:`registrar` and :func:`detector`.
    options : mapping
        Arguments of the functions of traces, dF/F and spikes, by the name of the parameter.
    fs, tau : float
        In Hz and seconds.
    started : datetime
        Start of the recording.
    files : Plane
        Results of the steps, in the folder that they are written to.
    """

    images: Images
    steering: Images
    registrar: Any
    detector: Any
    options: Mapping[str, dict[str, Any]]
    fs: float
    tau: float
    started: datetime
    files: Plane

    def do(self, step: str) -> None:
        """Do a step and write its file."""
        getattr(self, f"_{step}")(storage.join(self.files.folder, FILES[step]))

    @cached_property
    def registered(self) -> Images:
        """The registered movie, kept in memory or in the scratch folder at its first pass."""
        if self.registrar is None:
            return self.images
        return self.files.motion.transform(self.images).cache()

    def release(self) -> None:
        """Release the registered movie."""
        if "registered" in vars(self) and self.registrar is not None:
            self.registered.uncache()

    @cached_property
    def valid(self) -> Array | None:
        """Pixels that every frame shows but bad ones and rare displacements; None for all."""
        if self.registrar is None:
            return None
        mask = np.zeros(self.images.value_shape, bool)
        try:
            mask[usual(self.files.motion).crop()] = True
        except SpecError as error:
            warnings.warn(f"borders are not left out: {error}", stacklevel=caller_level())
            return None
        return mask

    def _register(self, path: str) -> None:
        model = self.registrar
        if not isinstance(model, RegistrationModel):
            model = model.fit(self.steering)
        model.save(path)

    def _movie(self, path: str) -> None:
        self.registered.tohdf5(path, overwrite=True)

    def _images(self, path: str) -> None:
        movie = self.registered
        found = {
            "mean": movie.mean(squeeze=True),
            "max": movie.max(squeeze=True),
            "correlation": movie.correlation_image(),
        }
        hdf5.save(path, {name: np.asarray(one, np.float32) for name, one in found.items()})

    def _detect(self, path: str) -> None:
        model = self.detector
        if not isinstance(model, ExtractionModel):
            takes = inspect.signature(model.fit).parameters
            limits = {"valid": self.valid} if "valid" in takes else {}
            model = model.fit(self.registered, **limits)
        model.save(path)

    def _traces(self, path: str) -> None:
        given = {"fs": self.fs, "tau": self.tau, "valid": self.valid} | self.options["traces"]
        self.files.cells.traces(self.registered, **given).save(path)

    def _spikes(self, path: str) -> None:
        found = self.files.traces
        change = _change(found, self.fs, self.options["dff"])
        spikes = tracing.deconvolve(change, self.fs, **{"tau": self.tau} | self.options["spikes"])
        events = spikes.events()
        series = {"dff": change, "spikes": spikes.spikes, "calcium": spikes.calcium}
        arrays = {name: one.toarray(squeeze=False) for name, one in series.items()}
        _check_change(arrays["dff"])
        quality = measures(change) | {"sensitivity": sensitivity(found.neuropil, found.corrected)}
        fields = {name: getattr(events, name) for name in ("offsets", "times", "amplitudes")}
        hdf5.save(path, arrays | {"quality": quality, "events": fields, "fs": self.fs})

    def _nwb(self, path: str) -> None:
        found, activity = self.files.traces, self.files.activity
        series = {name: getattr(found, name) for name in ("F", "neuropil", "corrected")}
        self.files.cells.tonwb(
            path,
            traces=series | {name: activity[name] for name in ("dff", "spikes")},
            images={name: flat(image) for name, image in self.files.images.items()},
            rate=self.fs,
            session_start_time=self.started,
            overwrite=True,
        )


def _check_change(change: Array) -> None:
    """Warn of relative changes whose baseline is about 0 or less."""
    highest = np.abs(np.nan_to_num(change)).max(axis=1, initial=0)
    wrong = np.isnan(change).all(axis=1) | (highest > _HIGHEST_CHANGE)
    if wrong.any():
        warnings.warn(
            f"dF/F of {wrong.sum()} of {len(change)} components is NaN or above "
            f"{_HIGHEST_CHANGE:g}, and their spikes mean little: their fluorescence is about 0 at "
            "rest. Give the movie from which no background was subtracted",
            stacklevel=caller_level(),
        )


def usual(motion: RegistrationModel) -> RegistrationModel:
    """Leave out frames whose displacement is beyond the others' by some pixels along an axis.

    These are one in a hundred for each direction. In them alone, pixels at the border are those of
    the nearest that is shown; they would cost all frames their border.
    """
    moved = motion.shifts if motion.fields is None else motion.fields
    if motion.axis is not None:  # planes of a volume, registered alone
        moved = np.moveaxis(moved, 2, 1)
    each = moved.reshape(*moved.shape[:2], -1)
    low, high = each.min(axis=2), each.max(axis=2)
    good = ~motion.bad.reshape(len(motion), -1).any(axis=1)
    if not good.any():
        return motion
    least = np.quantile(low[good], _RARE, axis=0, method="higher")
    most = np.quantile(high[good], 1 - _RARE, axis=0, method="lower")
    usual = good & (low >= least).all(axis=1) & (high <= most).all(axis=1)
    return motion[usual] if usual.any() else motion
