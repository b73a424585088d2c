"""All sets by name: ours, those that other packages bring, and one's own."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from thunderlike.datasets.sets import (
    classification,
    remote,
    saliency,
    segmentation,
    videos,
    writing,
    yfcc100m,
)
from thunderlike.datasets.sets.spec import SetSpec
from thunderlike.errors import KeyMissing, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["get", "names", "write"]

_HOMES = (classification, segmentation, saliency, videos, remote, yfcc100m)
GROUP = "thunderlike.sets"


@cache
def _ours() -> dict[str, SetSpec]:
    return {spec.name: spec for home in _HOMES for spec in home.SETS}


def _all() -> dict[str, SetSpec]:
    """Ours, and those that installed packages name in the group ``thunderlike.sets``."""
    found = {point.name: _a_set(point.load(), point.value) for point in entry_points(group=GROUP)}
    return {**found, **_ours()}


def names() -> list[str]:
    """The names of all sets, those that installed packages bring too.

    Examples
    --------
    >>> len(names()), "CIFAR10" in names()
    (22, True)
    """
    return sorted(_all(), key=str.lower)


def get(name: str | SetSpec) -> SetSpec:
    """The declaration of a set.

    Parameters
    ----------
    name : str or SetSpec
        Its name, or ``module:NAME`` for a declaration in a module of one's own.

    Raises
    ------
    KeyMissing
        When there is none.

    Examples
    --------
    >>> get("VOC2012").classes[15], get("VOC2012").colors[15]
    ('person', (192, 128, 128))
    """
    if isinstance(name, SetSpec):
        return name
    module, _, attribute = name.partition(":")
    if attribute:
        return _a_set(getattr(importlib.import_module(module), attribute, None), name)
    known = {key.lower(): spec for key, spec in _all().items()}
    if name.lower() not in known:
        raise KeyMissing(f"there is no set {name!r}; there are {', '.join(names())}")
    return known[name.lower()]


def _a_set(found: Any, name: str) -> SetSpec:
    if not isinstance(found, SetSpec):
        raise SpecError(f"{name}: is no SetSpec but {found!r:.60}")
    return found


def write(
    name: str | SetSpec,
    indir: str | Path = ".",
    outdir: str | Path | None = None,
    *,
    splits: Sequence[str] | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    overwrite: bool = False,
    verify: bool = True,
    check_images: bool | None = None,
    calculate_weights: bool = False,
    workers: int | None = None,
    **options: Any,
) -> dict[str, Path]:
    """Make the datasets of a set: find or fetch its files, verify, convert, write.

    Parameters
    ----------
    name : str or SetSpec
        As :func:`get`.
    indir, outdir : path
        Where downloads are or come to, and where datasets are written; `indir` by default.
    splits : sequence of str, optional
        Those to write; all by default. Only the files that they need are asked for.
    shuffle : bool, optional
        Write samples in random order; by default as the set says.
    seed : int
        Of that order: the same one, the same bytes.
    overwrite : bool
        Replace datasets that are there.
    verify : bool
        Compare the md5 of files that were there already; fetched ones always are.
    check_images : bool, optional
        Decode every image that is stored; by default where no md5 vouches for the files.
    calculate_weights : bool
        Count the pixels of each class, and write counts and weights to ``NAME.meta.json``.
    workers : int, optional
        Threads that convert; the setting of that name by default.
    **options
        Those of the set: ``get(name).options``.

    Returns
    -------
    dict
        The file of each split. What else the archives tell is in ``NAME.meta.json`` beside them.

    Raises
    ------
    Exists
        When a dataset is there; before anything else is done.
    NotFound
        For a file that is fetched by hand, with what to do; for a member an archive lacks.
    VerifyError, DownloadError
        For files that are not those of the set; nothing is written.
    CorruptSampleError
        For a sample that cannot be read; the dataset is not written, an older one is kept.

    Notes
    -----
    Sets that are shuffled are listed first and read in random order; the others are read as
    streams. Memory: one item in hand for each worker, twice. Each dataset appears when it is whole.
    """
    return writing.write_set(
        get(name),
        indir,
        outdir,
        splits=splits,
        shuffle=shuffle,
        seed=seed,
        overwrite=overwrite,
        verify=verify,
        check_images=check_images,
        calculate_weights=calculate_weights,
        workers=workers,
        **options,
    )
