"""Pipeline from a movie to spikes: registration, cells, traces, dF/F, in steps that resume."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike import traces as tracing
from thunderlike._arguments import checked_types
from thunderlike._lazy import optional
from thunderlike._system import trim
from thunderlike.calcium import report
from thunderlike.calcium.field import FILES, Field, check_options, detector, registrar
from thunderlike.calcium.results import Plane, Result, load
from thunderlike.calcium.steps import Workspace, chain
from thunderlike.data.identity import checksum, described, versions
from thunderlike.errors import BadIndexError, MissingExtraError, SpecError
from thunderlike.registration.model import as_images
from thunderlike.traces.sampling import check_positive, required_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from thunderlike.calcium.steps import Step
    from thunderlike.data.images import Images
    from thunderlike.storage import AnyPath

__all__ = ["OUTPUTS", "Pipeline", "Plan", "plan", "run"]

OUTPUTS = ("report.html", "summary.json", *FILES.values(), "plane*/**")
_OPTIONS: dict[str, Callable[..., Any]] = {
    "traces": tracing.extract,
    "dff": tracing.dff,
    "spikes": tracing.deconvolve,
}


@dataclass(frozen=True)
class Pipeline:
    """Parameters of a run.

    Parameters
    ----------
    fs : float, optional
        Frames a second; by default ``images.attrs['fs']``, or ``1 / attrs['frame_interval']``.
    tau : float
        Decay time of the indicator in seconds: about 0.3 for GCaMP6f, 0.7 for GCaMP6m, 1.25 for
        GCaMP6s.
    diameter : float or sequence of float
        Of cells, in pixels, or along each axis; rather too large than too small.
    registration : {'rigid', 'piecewise'}, algorithm, RegistrationModel or None
        Motion correction: by shifts of frames, by smooth fields, by an algorithm of
        :mod:`thunderlike.registration`, by a model of the same frames; or none.
    detection : dict, algorithm or ExtractionModel, optional
        Further arguments of :class:`~thunderlike.extraction.CellDetection`, such as ``threshold``;
        another algorithm; or cells of this field of view that are known already.
    traces : dict, optional
        Arguments of :func:`thunderlike.traces.extract`, such as ``coefficient``.
    dff : dict, optional
        Arguments of :func:`thunderlike.traces.dff`, such as ``method``, of the baseline.
    spikes : dict, optional
        Arguments of :func:`thunderlike.traces.deconvolve`, such as ``method``.
    planes : int, sequence of int or 'together', optional
        Of movies of volumes, the planes to use; by default all, each on its own. 'together' finds
        cells that extend over several planes, as balls: give `diameter` along z, y and x.
    movie : bool
        Write the registered movie also.
    nwb : bool, optional
        Write an NWB file also; by default if pynwb is installed.
    session_start_time : str, optional
        Of the recording, for the NWB file, as ISO 8601, such as ``'2026-05-04T10:00+02:00'``; UTC
        without an offset. Unknown by default, which the file states as 1970-01-01.

    Raises
    ------
    SpecError
        For values out of range, and for arguments that a step does not have.

    Examples
    --------
    >>> Pipeline(fs=30, diameter=10).tau
    0.7
    >>> Pipeline(traces={"ring": 3})
    Traceback (most recent call last):
    ...
    thunderlike.errors.SpecError: traces: extract() has no argument 'ring': it has ...
    """

    fs: float | None = None
    tau: float = 0.7
    diameter: float | Sequence[float] = 12.0
    registration: Any = "rigid"
    detection: Any = None
    traces: dict[str, Any] | None = None
    dff: dict[str, Any] | None = None
    spikes: dict[str, Any] | None = None
    planes: int | Sequence[int] | str | None = None
    movie: bool = False
    nwb: bool | None = None
    session_start_time: str | None = None

    def __post_init__(self) -> None:
        check_positive("tau", self.tau, "s")
        for name, function in _OPTIONS.items():
            known = inspect.signature(function).parameters
            for argument in self.options[name]:
                if argument not in known:
                    raise SpecError(
                        f"{name}: {function.__name__}() has no argument {argument!r}: it has "
                        f"{', '.join(known)}"
                    )
        if any(self.options.values()):
            check_options(self.options, self.fs or 15.0, self.tau)
        self.started()
        registrar(self.registration)
        detector(self.detection, fs=self.fs or 1.0, tau=self.tau, diameter=self.diameter)

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Arguments of the functions of traces, dF/F and spikes, by the name of the parameter."""
        return {name: getattr(self, name) or {} for name in _OPTIONS}

    def started(self) -> datetime:
        """Return the start of the recording; 1970-01-01 if it is not known.

        Examples
        --------
        >>> Pipeline(session_start_time="2026-05-04").started().isoformat()
        '2026-05-04T00:00:00+00:00'
        """
        given = self.session_start_time or "1970-01-01"
        try:
            found = datetime.fromisoformat(given)
        except ValueError:
            raise SpecError(
                f"session_start_time={given!r} is not a time: give ISO 8601, such as "
                "'2026-05-04T10:00+02:00'"
            ) from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    @property
    def writes_nwb(self) -> bool:
        """True if an NWB file is written."""
        if self.nwb is not None:
            return self.nwb
        try:
            optional("pynwb", extra="nwb")
        except MissingExtraError:
            return False
        return True

    def fields_of(self, images: Images) -> tuple[int | None, ...]:
        """Return the numbers of the planes that are used; None for images and for volumes."""
        shape = images.value_shape
        if len(shape) == 2:
            if self.planes is not None:
                raise SpecError(f"planes={self.planes!r}: images of shape {shape} have no planes")
            return (None,)
        if self.planes == "together":
            return (None,)
        if isinstance(self.planes, str):
            raise SpecError(f"planes={self.planes!r}: give numbers from 0, or 'together'")
        given = range(shape[0]) if self.planes is None else np.atleast_1d(self.planes).tolist()
        for plane in given:
            if not 0 <= plane < shape[0]:
                raise BadIndexError(f"planes={plane}: the volumes have {shape[0]} planes, from 0")
        return tuple(dict.fromkeys(given))


@dataclass(frozen=True)
class Plan:
    """A run whose arguments are checked, and of which nothing is computed.

    Parameters
    ----------
    pipeline : Pipeline
    images, structural : Images
        What cells are found in, and what the motion is estimated on.
    workspace : Workspace
    identity : str
        Of the input.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((90, 32, 32))
    >>> made = plan(movie, "memory://planned", Pipeline(fs=15, nwb=False))
    >>> made.status()
    {'register': False, 'images': False, 'detect': False, 'traces': False, 'spikes': False}
    """

    pipeline: Pipeline
    images: Images
    structural: Images
    workspace: Workspace
    identity: str

    @cached_property
    def fs(self) -> float:
        """Frames a second."""
        return required_rate(self.images, self.pipeline.fs, "detection of cells")

    @cached_property
    def planes(self) -> tuple[int | None, ...]:
        """Numbers of planes; None for a movie of images, and for planes together."""
        return self.pipeline.fields_of(self.images)

    @cached_property
    def chains(self) -> tuple[list[Step], ...]:
        """Steps of each plane."""
        return tuple(chain(self._origin(plane), self._steps(plane)) for plane in self.planes)

    @property
    def steps(self) -> list[Step]:
        """All steps, in their order."""
        return [step for steps in self.chains for step in steps]

    def status(self) -> dict[str, bool]:
        """Return whether each step is done already, by its name."""
        return {step.name: self.workspace.done(step) for step in self.steps}

    def _origin(self, plane: int | None) -> dict[str, Any]:
        return {"input": self.identity, "plane": plane, "versions": versions()}

    def _steps(self, plane: int | None) -> list[tuple[str, list[str], dict[str, Any]]]:
        given = self.pipeline
        below = "" if plane is None else f"plane{plane}/"
        sampling = {"fs": self.fs, "tau": given.tau}
        parameters: dict[str, dict[str, Any]] = {
            "register": {"registration": registrar(given.registration)},
            "movie": {},
            "images": {},
            "detect": {"detection": self._detector()},
            "traces": {"traces": given.traces or {}, **sampling},
            "spikes": {"dff": given.dff or {}, "spikes": given.spikes or {}},
            "nwb": {"session_start_time": given.session_start_time},
        }
        left_out = {
            "register": given.registration is None,
            "movie": not given.movie,
            "nwb": not given.writes_nwb,
        }
        return [
            (f"{below}{name}", [f"{below}{FILES[name]}"], parameters[name])
            for name in FILES
            if not left_out.get(name)
        ]

    def _detector(self) -> Any:
        given = self.pipeline
        return detector(given.detection, fs=self.fs, tau=given.tau, diameter=given.diameter)

    def field(self, plane: int | None) -> Field:
        """Return the computation of a plane."""
        given, below = self.pipeline, "" if plane is None else f"plane{plane}/"
        images, steering = self.images, self.structural
        if plane is not None:
            images, steering = (
                one[:, plane].reshape(len(one), *one.value_shape[1:]) for one in (images, steering)
            )
        return Field(
            images,
            steering,
            registrar(given.registration),
            self._detector(),
            given.options,
            self.fs,
            given.tau,
            given.started(),
            Plane(self.workspace.path(below.rstrip("/")), plane),
        )

    def run(self, source: Mapping[str, Any] | None = None, command: str = "") -> Result:
        """Do the steps that are not done, and publish the results; as :func:`run`."""
        with self.workspace as space:
            if space.finished(self.steps):
                return load(space.output)
            results = []
            for plane, steps in zip(self.planes, self.chains, strict=True):
                field = self.field(plane)
                for step in steps:
                    if not space.fetch(step):
                        with space.doing(step):
                            field.do(step.name.rpartition("/")[2])
                        trim()
                field.release()
                results.append(field.files)
            summary = self._summary([one.summary() for one in results], source, command)
            storage.write(space.path("summary.json"), json.dumps(summary, indent=2).encode())
            storage.write(space.path("report.html"), report.html(summary, results))
            space.publish(self.steps, more=("summary.json", "report.html"))
        return load(space.output)

    def _summary(
        self, planes: list[dict[str, Any]], source: Mapping[str, Any] | None, command: str
    ) -> dict[str, Any]:
        given = self.pipeline
        seconds = self.workspace.seconds(self.steps)
        return {
            "input": {
                **(source or {}),
                "shape": list(self.images.shape),
                "dtype": str(self.images.dtype),
                "fs": self.fs,
                "identity": self.identity,
            },
            "planes": planes,
            "parameters": {one.name: described(getattr(given, one.name)) for one in fields(given)},
            "engine": self.images.mode,
            "seconds": seconds | {"total": round(sum(seconds.values()), 3)},
            "output": self.workspace.output,
            "command": command,
            "versions": versions(),
        }


@checked_types
def plan(
    images: Images | ArrayLike,
    output: AnyPath,
    pipeline: Pipeline,
    *,
    structural: Images | ArrayLike | None = None,
    identity: str | None = None,
    overwrite: bool = False,
    resume: bool = True,
) -> Plan:
    """Check the arguments of a run; computes at most the checksum of the images.

    Parameters
    ----------
    images, output, structural, identity, overwrite, resume
        As of :func:`run`.
    pipeline : Pipeline
        The parameters.

    Returns
    -------
    Plan
        With `status` and `run`.

    Raises
    ------
    SpecError, BadIndexError
        For arguments that do not fit the images.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((90, 32, 32))
    >>> plan(movie, "memory://planned", Pipeline(fs=15)).fs
    15.0
    """
    movie = as_images(images)
    other = movie if structural is None else as_images(structural)
    if other.shape != movie.shape:
        raise SpecError(
            f"structural has shape {other.shape}, images {movie.shape}: give channels of one "
            "recording"
        )
    space = Workspace(output, OUTPUTS, overwrite=overwrite, resume=resume)
    sums = [identity or checksum(movie)]
    if structural is not None and identity is None:
        sums.append(checksum(other))
    made = Plan(pipeline, movie, other, space, " ".join(sums))
    made.chains  # noqa: B018  # raises what is wrong with the arguments
    return made


@checked_types
def run(
    images: Images | ArrayLike,
    output: AnyPath,
    *,
    structural: Images | ArrayLike | None = None,
    identity: str | None = None,
    source: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = True,
    command: str = "",
    **parameters: Any,
) -> Result:
    """Find the cells of a movie, their traces and their spikes, and write a folder of results.

    The movie is registered, cells are found in it, their traces extracted, corrected for neuropil,
    converted to dF/F and deconvolved. Each step is recorded: the same call goes on with a run that
    was interrupted, on any engine, and a call with other parameters repeats the steps from the
    first that depends on them.

    Parameters
    ----------
    images : Images or array_like
        Movie of images ``(T, y, x)``, on any engine; or of volumes ``(T, z, y, x)``, of which each
        plane is analysed on its own unless ``planes='together'``.
    output : path
        Folder of the results. It appears when all is done; until then they are in a hidden folder
        next to it, ``.NAME.unfinished``.
    structural : Images or array_like, optional
        Another channel of the recording, that the motion is estimated on.
    identity : str, optional
        Text that is another one when the images change, such as a hash of the names, sizes and
        dates of their files; by default a checksum of all pixels, which takes a pass.
    source : mapping, optional
        Facts about the input for the summary.
    overwrite : bool
        Replace finished results of other parameters or another input. Steps that these do not
        change are not repeated.
    resume : bool
        Keep the steps that earlier runs have done; else repeat all.
    command : str
        How it was called, for the record.
    **parameters
        As of :class:`Pipeline`: ``fs``, ``tau``, ``diameter``, ``registration`` and so on.

    Returns
    -------
    Result
        Reads the files when asked for: ``result.plane.cells``, ``.traces``, ``.activity``.

    Raises
    ------
    SpecError
        For wrong parameters; before anything is computed.
    ExistsError
        If `output` holds finished results of other parameters, without `overwrite`; names the
        first difference.
    InUseError
        If another run is working on this output.

    Notes
    -----
    The folder has ``motion.h5``, ``images.h5`` (mean, maximum, correlation image), ``cells.h5``,
    ``traces.h5``, ``activity.h5`` (dF/F, spikes, events), ``recording.nwb``, ``report.html``,
    ``summary.json``, and ``state.json``, the record of the steps; of volumes, a folder for each
    plane. All names are the same on every engine, and so are all numbers.

    The movie is read twice: for the motion, and registered. The registered movie is kept in memory,
    or in the scratch folder of the engine, for the passes of all further steps.

    Examples
    --------
    >>> import thunderlike as tl
    >>> from thunderlike.images.cell_movies import cell_movie
    >>> movie = cell_movie((64, 64), count=400, cells=8, amplitude=14.0, seed=1)
    >>> result = tl.calcium.run(movie.toimages(), "memory://session", fs=15, nwb=False)
    >>> result.plane.traces.F.shape[1], sorted(result.plane.images)
    (400, ['correlation', 'max', 'mean'])
    """
    known = [one.name for one in fields(Pipeline)]
    for name in parameters:
        if name not in known:
            raise SpecError(f"run() has no parameter {name!r}: it has {', '.join(known)}")
    made = plan(
        images,
        output,
        Pipeline(**parameters),
        structural=structural,
        identity=identity,
        overwrite=overwrite,
        resume=resume,
    )
    return made.run(source, command)
