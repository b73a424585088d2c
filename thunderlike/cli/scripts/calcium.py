"""Find the cells of a calcium recording, their traces and spikes; with and without Spark.

    python spark-submit/calcium.py --images MOVIE --output OUT --fs 30
    spark-submit spark-submit/calcium.py --images MOVIE --output OUT --fs 30

The computation is in thunderlike/calcium; this file parses the command line.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike import extraction, registration, storage
from thunderlike.calcium import Pipeline
from thunderlike.cli import scripts
from thunderlike.errors import SpecError
from thunderlike.jobs import calcium

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thunderlike.calcium import Result
    from thunderlike.engines import Engine

__all__ = ["main", "parser", "run"]

DESCRIPTION = """\
Find the cells of a calcium recording, their traces and their spikes.

The movie is registered, cells are found in it, and their traces are corrected for neuropil,
converted to dF/F and deconvolved. OUTPUT then holds

  report.html     motion, cells, traces and quality, for a browser
  cells.h5        masks and quality of all components; tl.extraction.load
  traces.h5       fluorescence and neuropil; tl.traces.load
  activity.h5     dF/F, spikes and events, for every HDF5 tool
  recording.nwb   all of it in NWB, if pynwb is installed
  motion.h5       shifts; tl.registration.load
  images.h5       mean, maximum and correlation image of the registered movie
  summary.json    input, results, parameters, engine and duration

of volumes in a folder for each plane. OUTPUT appears when it is complete. The same command resumes
an interrupted run; with other options, and --overwrite, it repeats only the steps they change.
"""

EXAMPLES = """\
examples:
  a folder of TIFF files, 30 frames a second, cells of about 12 pixels:
    python spark-submit/calcium.py --images movie --fs 30 --output session

  one TIFF file with a page for each frame; GCaMP6s; smooth fields of shifts:
    python spark-submit/calcium.py --images movie.tif --nplanes 1 --fs 15 --tau 1.25 \\
        --registration piecewise --output session

  cells in channel 0, motion in channel 1:
    python spark-submit/calcium.py --images two.tif --channel 0 --structural 1 --fs 30 \\
        --output session

  the cells of an earlier session, and another share of the neuropil:
    python spark-submit/calcium.py --images day2 --cells day1/cells.h5 --coefficient 0.5 \\
        --fs 30 --output day2-cells

  a file of any size in 1 GB of memory:
    THUNDERLIKE_MEMORY=1000000000 python spark-submit/calcium.py --engine disk \\
        --images movie.h5 --fs 30 --output session

  on Spark, all cores of this machine:
    spark-submit --master 'local[*]' spark-submit/calcium.py --images movie --fs 30 --output session
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    scripts.movie(options)
    add = options.add_argument
    add("--fs", type=float, metavar="HZ", help="frames a second; by default as the files state it")
    add(
        "--tau",
        type=float,
        default=Pipeline.tau,
        metavar="S",
        help="decay of the indicator in seconds: about 0.3 for GCaMP6f, 0.7 for GCaMP6m, 1.25 for "
        "GCaMP6s (%(default)s)",
    )
    add(
        "--diameter",
        type=_diameter,
        default=Pipeline.diameter,
        metavar="PX",
        help="of cells in pixels, or along z,y,x; rather too large than too small (%(default)g)",
    )
    add(
        "--registration",
        choices=("rigid", "piecewise", "none"),
        default="rigid",
        help="shifts of whole frames, which is the default, smooth fields of shifts, or none",
    )
    add(
        "--max-shift",
        type=float,
        default=0.1,
        metavar="PX",
        help="largest shift in pixels, or below 1 as a share of each side (0.1)",
    )
    add(
        "--structural",
        type=int,
        metavar="N",
        help="TIFF: channel to estimate the motion on; cells are found in that of --channel",
    )
    add(
        "--planes",
        type=_planes,
        metavar="N,N",
        help="planes of volumes to use, from 0; by default all, each on its own; or together, for "
        "cells of several planes",
    )
    _cells(options)
    add("--movie", action="store_true", help="write the registered movie also, as movie.h5")
    add("--no-nwb", action="store_true", help="leave recording.nwb out")
    add(
        "--session-start",
        metavar="TIME",
        help="start of the recording, for recording.nwb: 2026-05-04T10:00+02:00",
    )
    scripts.resuming(options)
    scripts.frames(options)
    return options


def _cells(options: argparse.ArgumentParser) -> None:
    add = options.add_argument_group("cells and traces").add_argument
    add(
        "--cells",
        metavar="PATH",
        help="cells that are known already: cells.h5 or JSON; by default they are found",
    )
    add(
        "--threshold",
        type=float,
        metavar="X",
        help="of the score of a cell; lower finds more components, of which the quality chooses",
    )
    add(
        "--coefficient",
        metavar="X",
        help="share of the neuropil that is subtracted; by default estimated for each cell (auto)",
    )
    add("--baseline", metavar="NAME", help="method of the baseline for dF/F, of tl.traces.baseline")
    add("--spikes", metavar="NAME", help="method of tl.traces.deconvolve")


def _diameter(text: str) -> float | list[float]:
    """Return one number, or one for each axis."""
    try:
        numbers = [float(one) for one in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number, nor one for each axis as in 3,12,12"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def _planes(text: str) -> str | list[int]:
    """Return the numbers of planes, or 'together'."""
    if text == "together":
        return text
    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not together, nor numbers of planes as in 0,2"
        ) from None


def _pipeline(options: argparse.Namespace) -> Pipeline:
    """Return the parameters; options that were not given are left to the steps."""
    share = options.coefficient
    if share not in (None, "auto"):
        try:
            share = float(share)
        except ValueError:
            raise SpecError(f"coefficient={share!r} must be auto or a number") from None
    algorithms = {
        "rigid": registration.Rigid,
        "piecewise": registration.PiecewiseRigid,
    }
    detection: Any = {} if options.threshold is None else {"threshold": options.threshold}
    if options.cells is not None:
        detection = extraction.load(options.cells)
    kind = algorithms.get(options.registration)
    return Pipeline(
        fs=options.fs,
        tau=options.tau,
        diameter=options.diameter,
        registration=kind and kind(max_shift=options.max_shift),
        detection=detection,
        traces=_given(coefficient=share),
        dff=_given(method=options.baseline),
        spikes=_given(method=options.spikes),
        planes=options.planes,
        movie=options.movie,
        nwb=False if options.no_nwb else None,
        session_start_time=options.session_start,
    )


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def run(options: argparse.Namespace) -> int:
    """Plan the job, and run it unless this is a dry run."""
    plan = calcium.plan(
        options.images,
        options.output,
        _pipeline(options),
        structural=options.structural,
        **scripts.chosen(options),
    )
    job = partial(calcium.run, resume=options.resume)
    return scripts.run(options, job, plan, partial(_rows, options, plan), _found)


def _found(found: Result, summary: Mapping[str, Any]) -> str:  # noqa: ARG001
    cells = [facts["cells"] for facts in summary["planes"]]
    accepted, components = (sum(one[name] for one in cells) for name in ("accepted", "found"))
    return f"{accepted} cells of {components} components"


def _rows(options: argparse.Namespace, plan: calcium.Plan, engine: Engine) -> dict[str, str]:
    made = plan.prepared(overwrite=options.overwrite, resume=options.resume)
    status = made.status()
    steps = [f"{name} (done)" if done else name for name, done in status.items()]
    finished = all(status.values()) and storage.exists(options.output)
    return {
        "images": scripts.contained(options.images, plan.movie),
        "engine": scripts.spread(engine, plan.movie.source, plan.npartitions),
        "sampling": f"{made.fs:g} Hz, tau {plan.pipeline.tau:g} s",
        "steps": ", ".join(steps),
        "output": f"{options.output} (finished)" if finished else scripts.placed(options),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
