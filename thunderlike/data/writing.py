"""Writing images and series to files, from wherever the records are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.data.assembling import each_block, each_part
from thunderlike.errors import SpecError
from thunderlike.formats import png, raw, text, tiff
from thunderlike.parallel.threads import tmap
from thunderlike.storage.atomic import draft
from thunderlike.storage.paths import file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from thunderlike._typing import Array
    from thunderlike.data.images import Images
    from thunderlike.data.series import Series

__all__ = [
    "ImageFiles",
    "Names",
    "SeriesFiles",
    "images_to_binary",
    "images_to_png",
    "images_to_tif",
    "series_to_binary",
    "series_to_text",
]


def images_to_binary(images: Images, path: Any, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000.bin`` and so on, and the ``conf.json`` that describes them."""
    conf = {"conf.json": raw.describe(images.value_shape, images.dtype, images.attrs)}
    _write(images, path, Names(prefix, "bin"), raw.encode, overwrite=overwrite, beside=conf)


def images_to_tif(images: Images, path: Any, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000.tif`` and so on."""
    encode = partial(tiff.encode, attrs=images.attrs) if images.attrs else tiff.encode
    _write(images, path, Names(prefix, "tif"), encode, overwrite=overwrite)


def images_to_png(
    images: Images,
    path: Any,
    prefix: str,
    *,
    overwrite: bool,
    vmin: float | None,
    vmax: float | None,
) -> None:
    """Write ``prefix-00000.png`` and so on, `vmin` as black and `vmax` as white."""
    if vmin is None or vmax is None:
        if vmin is not vmax:
            what = "give both vmin and vmax, the values to show as black and white, or none"
            raise SpecError(what)
        plain = partial(png.encode, attrs=images.attrs) if images.attrs else png.encode
        _write(images, path, Names(prefix, "png"), plain, overwrite=overwrite)
        return
    if not (np.isfinite(vmin) and np.isfinite(vmax)):
        raise SpecError(f"vmin and vmax must be finite numbers, not {vmin} and {vmax}")
    if images.dtype.kind not in "biuf":
        raise SpecError(
            f"a PNG file holds real numbers, not {images.dtype}; "
            "make real numbers of them first, such as map(np.abs)"
        )
    encode = _Scaled(vmin, vmax, images.attrs)
    _write(images, path, Names(prefix, "png"), encode, overwrite=overwrite)


def series_to_binary(series: Series, path: Any, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000-00000.bin``, by the key of its first series, for each part."""
    _write_parts(series, path, prefix, "bin", raw.encode, overwrite=overwrite)


def series_to_text(series: Series, path: Any, prefix: str, *, overwrite: bool) -> None:
    """Write ``prefix-00000-00000.txt``, by the key of its first series, for each part."""
    if series.dtype.kind not in "biuf":
        raise SpecError(f"text holds real numbers, not {series.dtype}")
    _write_parts(series, path, prefix, "txt", text.encode, overwrite=overwrite)


def _write_parts(
    series: Series,
    path: Any,
    prefix: str,
    ext: str,
    encode: Callable[[Array], bytes],
    *,
    overwrite: bool,
) -> None:
    """Write the series of each part to a file, then what describes them all."""
    conf, baseshape = raw.describe(series.shape, series.dtype, series.attrs), series.baseshape
    ours = [Names(prefix, ext).pattern(), "conf.json"]
    with storage.output(path, ours, overwrite=overwrite) as folder:
        each_part(series._records, folder, SeriesFiles(folder, prefix, ext, encode, baseshape))
        storage.write(storage.join(folder, "conf.json"), conf)


@dataclass(frozen=True)
class SeriesFiles:
    """Writes consecutive blocks to one file, named by the key of the first series.

    Parameters
    ----------
    folder : str
        Where to.
    prefix, ext : str
        How a name begins and ends.
    encode : callable
        From a block of series to its part of the file.
    baseshape : tuple of int
        Shape of all keys.
    """

    folder: str
    prefix: str
    ext: str
    encode: Callable[[Array], bytes]
    baseshape: tuple[int, ...]

    def __call__(self, blocks: Iterable[tuple[int, Array]]) -> list[Any]:
        """Write blocks, one in memory at a time; the same file if they come again."""
        filled = ((start, block) for start, block in blocks if len(block))
        first = next(filled, None)
        if first is None:
            return []
        path = storage.join(self.folder, self._name(first[0]))
        with (
            draft(path, _always, overwrite=True) as made,
            made.file.open("wb") as stream,
        ):
            for _, block in itertools.chain([first], filled):
                stream.write(self.encode(block))
        return []

    def _name(self, start: int) -> str:
        at = np.unravel_index(start, self.baseshape)
        digits = [max(5, len(str(n - 1))) for n in self.baseshape]
        key = "-".join(f"{int(i):0{d}d}" for i, d in zip(at, digits, strict=True))
        return f"{self.prefix}-{key}.{self.ext}"


def _always(start: bytes) -> bool:  # noqa: ARG001
    """Whatever is there is of another attempt at the same."""
    return True


@dataclass(frozen=True)
class ImageFiles:
    """Writes each image to a file of its own.

    Parameters
    ----------
    folder : str
        Where to.
    names : Names
        How the files are called.
    count : int
        How many images there are in all.
    encode : callable
        From an image to the content of a file.
    """

    folder: str
    names: Names
    count: int
    encode: Callable[[Array], bytes]

    def __call__(self, start: int, block: Array) -> list[Any]:
        """Write the images from number `start` on; the same files if they come again."""

        def put(number: int) -> None:
            path = storage.join(self.folder, self.names.of(number, self.count))
            storage.write(path, self.encode(block[number - start]))

        threads = storage.store_for(self.folder).threads or 1
        for _ in tmap(put, range(start, start + len(block)), workers=threads):
            pass
        return []


@dataclass(frozen=True)
class Names:
    """Names that sort as their numbers do.

    Examples
    --------
    >>> Names("image", "tif").of(7, count=100)
    'image-00007.tif'
    """

    prefix: str
    ext: str

    def __post_init__(self) -> None:
        file_name(self.prefix, "prefix")

    def pattern(self) -> str:
        """All of them, as `storage.find` would."""
        return f"{self.prefix}-*.{self.ext}"

    def of(self, number: int, count: int) -> str:
        """One of so many."""
        digits = max(5, len(str(count - 1)))
        return f"{self.prefix}-{number:0{digits}d}.{self.ext}"


@dataclass(frozen=True)
class _Scaled:
    """Encode a PNG of 8 bits, black and white at two values."""

    vmin: float
    vmax: float
    attrs: Mapping[str, Any]

    def __call__(self, image: Array) -> bytes:
        span = (self.vmax - self.vmin) or 1.0
        grey = np.clip((np.asarray(image, np.float64) - self.vmin) / span, 0, 1)
        return png.encode(np.nan_to_num(np.rint(grey * 255)).astype(np.uint8), self.attrs)


def _write(
    images: Images,
    path: Any,
    names: Names,
    encode: Callable[[Array], bytes],
    *,
    overwrite: bool,
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Write all images from where they are, then what goes beside them."""
    encode(np.zeros(images.value_shape, images.dtype))  # what cannot be written is said first
    count, extra = images.count(), beside or {}
    with storage.output(path, [names.pattern(), *extra], overwrite=overwrite) as folder:
        each_block(images._records, folder, ImageFiles(folder, names, count, encode))
        for name, data in extra.items():
            storage.write(storage.join(folder, name), data)
