"""Reader of the zip packs of YFCC100m, without conversion."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike.datasets.archives import Zip
from thunderlike.datasets.images import pixels
from thunderlike.datasets.reader import Reader
from thunderlike.errors import FormatError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["YFCC100mReader", "rejected", "worth_seeing"]

_PACK = re.compile(r"[0-9a-f]{1,10}\.zip")
_PHOTO = re.compile(r"(.*/)?[0-9a-f]+$")


class YFCC100mReader(Reader):
    """Reader of the photos in a folder of packs, in the order of the packs' names.

    Parameters
    ----------
    path : path
        Folder of ``<hex>.zip`` packs.
    reject : mapping, optional
        Numbers of the photos of each pack to leave out, as returned by :func:`rejected`. By
        default all photos are read, also grey placeholders.

    Raises
    ------
    NotFoundError
        For a folder without packs.

    Notes
    -----
    Opening reads the directory of every pack once; the number of photos of each is cached in
    ``counts.json`` in the same folder, and used while the sizes of the packs are the same.
    A sample is ``key, image``; the key is the name in the pack.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(f"{folder}/00a1.zip", "w") as pack:
    ...         pack.writestr("00a1/00a1b2", b"a photo")
    ...     YFCC100mReader(folder).get(0)
    {'key': '00a1/00a1b2', 'image': b'a photo'}
    """

    def __init__(self, path: str | Path, reject: Mapping[str, Iterable[int]] | None = None) -> None:
        self._path = Path(path)
        found = self._path.glob("*.zip") if self._path.is_dir() else []
        self._packs = sorted(one.name for one in found if _PACK.fullmatch(one.name))
        if not self._packs:
            raise NotFoundError(f"{path}: no packs such as 00a1b2c3d4.zip found in it")
        given = reject or {}
        self._reject = {name: frozenset(given.get(name, ())) for name in self._packs}
        # Only numbers: the names of 100 million photos would take gigabytes.
        counts = self._counts()
        kept = [counts[name] - len(self._reject[name]) for name in self._packs]
        self._ends = list(accumulate(kept))

    def __len__(self) -> int:
        return self._ends[-1]

    def find_key(self, index: int) -> str:
        """Return the key of a photo."""
        return self._place(self._position(index))[1]

    def find_index(self, key: object) -> int:
        """Return the number of a photo; the pack that its key names is searched first."""
        if not isinstance(key, str):
            raise self._missing(key)
        # A key without a folder names no pack, and may be in any.
        named = f"{key.split('/')[0]}.zip"
        for name in [named] if named in self._packs else self._packs:
            photos = self._photos(name)
            if key in photos:
                pack = self._packs.index(name)
                return (self._ends[pack - 1] if pack else 0) + photos.index(key)
        raise self._missing(key)

    def _one(self, index: int, raw: bool) -> Any:
        name, key = self._place(index)
        sample = {"key": key, "image": self._pack(name).read(key)}
        return self._packed(index, sample) if raw else sample

    def _place(self, index: int) -> tuple[str, str]:
        """Return the pack and the member of a photo."""
        pack = bisect_right(self._ends, index)
        name = self._packs[pack]
        return name, self._photos(name)[index - (self._ends[pack - 1] if pack else 0)]

    def _photos(self, name: str) -> list[str]:
        """List the photos of a pack that are not rejected; 16 packs are cached."""
        if name not in self._listed:
            if len(self._listed) >= 16:  # the first that was read goes: samples come in order
                self._listed.pop(next(iter(self._listed)))
            photos = _photos_of(self._pack(name))
            left_out = self._reject[name]
            self._listed[name] = [one for n, one in enumerate(photos) if n not in left_out]
        return self._listed[name]

    @cached_property
    def _listed(self) -> dict[str, list[str]]:
        return {}

    def _pack(self, name: str) -> Zip:
        return Zip(self._path / name)  # of many packs none stays open

    def _counts(self) -> dict[str, int]:
        """Count the photos of each pack, cached with the sizes of the packs."""
        place = self._path / "counts.json"
        # Sizes stand for versions: packs are not changed once they are downloaded.
        known = json.loads(place.read_bytes()) if place.exists() else {}
        sizes = {name: (self._path / name).stat().st_size for name in self._packs}
        new = {
            name: [size, len(_photos_of(self._pack(name)))]
            for name, size in sizes.items()
            if known.get(name, [None])[0] != size
        }
        if new:
            known |= new
            storage.write(place, json.dumps(known).encode())
        return {name: known[name][1] for name in self._packs}

    def _name(self) -> str:
        return str(self._path)


def _photos_of(pack: Zip) -> list[str]:
    return [name for name in pack.names if _PHOTO.match(name)]


def worth_seeing(data: bytes) -> bool:
    """Return whether a photo decodes and is not a placeholder.

    Placeholders are files of less than 2600 bytes or exactly 9218, and those below 20 000 bytes
    in which the variance of 95 % of the columns is less than 50.
    """
    if len(data) < 2600 or len(data) == 9218:
        return False
    try:
        grey = pixels(data, "L")
    except FormatError:
        return False
    return len(data) >= 20000 or bool(np.percentile(grey.var(axis=0), 95) >= 50)


def rejected(path: str | Path) -> dict[str, list[int]]:
    """Return the numbers of the photos of a pack that are placeholders or do not decode.

    Returns
    -------
    dict
        Name of the pack and numbers, for ``reject=``; join those of several packs with ``|``, and
        keep them as JSON.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(f"{folder}/00a1.zip", "w") as pack:
    ...         pack.writestr("00a1/00a1b2", b"too small to be a photo")
    ...     rejected(f"{folder}/00a1.zip")
    {'00a1.zip': [0]}
    """
    pack = Zip(Path(path))
    numbers = enumerate(_photos_of(pack))
    return {Path(path).name: [n for n, name in numbers if not worth_seeing(pack.read(name))]}
