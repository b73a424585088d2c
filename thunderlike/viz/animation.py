"""Animations: GIF by Pillow, MP4 by matplotlib and ffmpeg."""

from __future__ import annotations

import base64
import io
import tempfile
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike._text import printable
from thunderlike.errors import EngineError, SpecError
from thunderlike.viz.plots import flat, is_colour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from thunderlike._typing import Array

__all__ = ["Clip", "check", "clip", "grey", "looks_like_clip"]

_KINDS = {"gif": "image/gif", "mp4": "video/mp4"}
_FASTEST = 50.0  # viewers slow faster GIFs down to 10 frames a second


@dataclass(frozen=True)
class Clip:
    """An animation as the bytes of a file, which a notebook plays.

    Parameters
    ----------
    data : bytes
        Content of the file.
    format : 'gif' or 'mp4'
    about : str
        Description: number of frames, frame rate, range of values.

    Examples
    --------
    >>> shown = clip(np.eye(8).reshape(4, 4, 4), (0, 1), fps=5)
    >>> shown.format, shown.data[:6]
    ('gif', b'GIF89a')
    """

    data: bytes = field(repr=False)
    format: str
    about: str

    def _repr_html_(self) -> str:
        source = f"data:{_KINDS[self.format]};base64,{base64.b64encode(self.data).decode()}"
        style = "min-width: 16em; max-width: 100%; image-rendering: pixelated"
        shown = (
            f'<img src="{source}" style="{style}" alt="">'
            if self.format == "gif"
            else f'<video src="{source}" style="{style}" controls loop></video>'
        )
        return f"<figure>{shown}<figcaption>{escape(printable(self.about))}</figcaption></figure>"


def clip(
    frames: Iterable[Any],
    limits: tuple[float, float],
    *,
    fps: float = 10,
    format: str = "gif",
    plane: int | str = "max",
) -> Clip:
    """Make an animation of images, with one image in memory at a time.

    Parameters
    ----------
    frames : iterable of array_like
        As in :func:`picture`, all of one shape.
    limits : (float, float)
        Values to show as black and white.
    fps : float
        Frames a second; at most 50 in a GIF, whose frames last whole hundredths of a second.
    format : 'gif' or 'mp4'
    plane : int or 'max'
        Plane of volumes, as in :func:`picture`.

    Returns
    -------
    Clip

    Raises
    ------
    SpecError
        If there is no frame, or `format` or `fps` is not supported.
    EngineError
        If `format` is ``'mp4'`` and ffmpeg is not installed.
    MissingExtraError
        If `format` is ``'mp4'`` and matplotlib is not installed.

    Examples
    --------
    >>> clip(np.eye(8).reshape(4, 4, 4), (0, 1), fps=5)
    Clip(format='gif', about='4 frames, 5 a second, black 0 to white 1')
    """
    check(format, fps)
    # A generator: the encoders take one image at a time, so a movie need not fit in memory.
    shades = (grey(flat(frame, plane)[0], limits) for frame in frames)
    data, count = (_gif if format == "gif" else _mp4)(shades, fps)
    low, high = limits
    about = f"{count} frames, {fps:g} a second, black {low:g} to white {high:g}"
    return Clip(data, format, about)


def looks_like_clip(start: bytes) -> bool:
    """Check that a file starts as a GIF or MP4 file does."""
    return start.startswith(b"GIF8") or start[4:8] == b"ftyp"


def check(format: str, fps: float) -> None:
    """Check format and frame rate before anything is computed."""
    if format not in _KINDS:
        raise SpecError(f"a movie cannot be written as {format!r}: name it .gif or .mp4")
    if not fps > 0 or (format == "gif" and fps > _FASTEST):
        most = f" and at most {_FASTEST:g} in a GIF" if format == "gif" else ""
        raise SpecError(f"fps must be more than 0{most}, not {fps}")


def grey(image: Array, limits: tuple[float, float]) -> Array:
    """Convert to 8 bits between black and white; colours stay, NaN is black."""
    if is_colour(image):
        return image[..., :3]
    low, high = limits
    span = (high - low) or 1.0  # equal limits would divide by 0
    shade = np.clip((image.astype(np.float64) - low) / span, 0, 1)
    return np.nan_to_num(np.rint(shade * 255)).astype(np.uint8)


def _gif(frames: Iterator[Array], fps: float) -> tuple[bytes, int]:
    from PIL import Image

    counted = _Counted(frames)  # Pillow does not return the number of frames that it wrote
    pictures = (Image.fromarray(frame) for frame in counted)
    stream, first = io.BytesIO(), next(pictures, None)
    if first is None:
        raise SpecError("a movie of no frames cannot be written")
    first.save(
        stream, "GIF", save_all=True, append_images=pictures, duration=round(1000 / fps), loop=0
    )
    return stream.getvalue(), counted.count


def _mp4(frames: Iterator[Array], fps: float) -> tuple[bytes, int]:
    writers = optional("matplotlib.animation", extra="viz")
    if not writers.FFMpegWriter.isAvailable():
        raise EngineError(
            "MP4 is written by ffmpeg, which is not on this machine: install it, or write a .gif"
        )
    counted = _Counted(frames)
    first = next(iter(counted), None)
    if first is None:
        raise SpecError("a movie of no frames cannot be written")
    figure, shown = _screen(first)
    # Many players decode no other pixel format of H.264.
    writer = writers.FFMpegWriter(fps=fps, extra_args=["-pix_fmt", "yuv420p"])
    # In a file, since the header of an MP4 is completed at its end: no pipe will do.
    with tempfile.TemporaryDirectory(prefix="thunderlike-") as folder:
        file = Path(folder) / "movie.mp4"
        with writer.saving(figure, str(file), dpi=_DPI):
            writer.grab_frame()
            for frame in counted:
                shown.set_data(frame)
                writer.grab_frame()
        return file.read_bytes(), counted.count


_DPI, _AT_LEAST = 100, 256  # least pixels of the shorter side, since codecs blur smaller ones


def _screen(first: Array) -> tuple[Any, Any]:
    """Make a figure that holds one picture, with even numbers of pixels, which codecs require."""
    height, width = first.shape[:2]
    zoom = -(-_AT_LEAST // min(height, width)) if min(height, width) < _AT_LEAST else 1
    size = [2 * round(n * zoom / 2) / _DPI for n in (width, height)]
    figure = optional("matplotlib.figure", extra="viz").Figure(figsize=size, dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    shown = axes.imshow(
        first, cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="nearest"
    )
    return figure, shown


class _Counted:
    """An iterator that counts its items."""

    def __init__(self, frames: Iterator[Array]) -> None:
        self.frames, self.count = frames, 0

    def __iter__(self) -> Iterator[Array]:
        for frame in self.frames:
            self.count += 1
            yield frame
