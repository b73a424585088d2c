"""Settings: defaults < file < environment < ``with tl.config(...)``.

The file is ``$THUNDERLIKE_CONFIG``, else ``~/.config/thunderlike/thunderlike.toml``: one
``name = value`` line for each setting. In the environment a setting is ``THUNDERLIKE_`` and its
name in capitals. Settings of bytes take units as well: ``"64 MiB"``, ``"8GB"``.
"""

from __future__ import annotations

import dataclasses
import os
import re
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike._system import ncores
from thunderlike.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Settings", "config", "current", "home"]

KIB, MIB = 2**10, 2**20
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings with their defaults; whole numbers from 1 unless stated.

    Parameters
    ----------
    workers : int
        Threads of the local engine and of the readers; 0 means one for each available core.
    tile_bytes : int
        Bytes of records given to a built-in kernel at once on the local engine. 2 MiB stay in the
        third-level cache with the result; smaller calls make threads wait for each other.
    partition_bytes : int
        Bytes of records in one Spark partition; those of 64 records at least. An empty Python task
        costs about 30 ms, which at 64 MiB is a tenth of the work done in it.
    small_bytes : int
        Below this a Spark collection has one partition a slot, no more.
    chunk_bytes : int
        Bytes of records stacked in one array inside a Spark partition.
    piece_bytes : int
        Bytes that one chunk sends to another when images become series; smaller pieces
        increase shuffle overhead, larger ones its memory.
    engine : str
        Engine where none is given: ``auto``, ``local``, ``disk`` or ``spark``. ``auto`` is the disk
        engine for records that would take more than half of the available memory, else the local
        one.
    memory : int or float
        Bytes that the disk engine may use; below 1 a share of the available memory.
    scratch : str
        Folder of scratch files, of the disk engine and of shuffles on Spark; empty for the
        temporary folder. On a cluster it has to be set, to a folder that all workers share, for
        shuffles to use files.
    progress : bool
        Show work of more than two seconds; in the environment 1 or 0.
    hdf5_depth : int
        Largest depth of nested containers in HDF5 files, saved or loaded.
    endpoint_url : str
        Server of ``s3://`` addresses; empty for the one of ``AWS_ENDPOINT_URL_S3``, else Amazon's.
    hdf5_compression : str
        Compression of arrays in `tl.save`, as ``zlib:1`` or ``blosc2:lz4:5``; empty for that of
        ``~/.deepdish.conf``, else ``zlib:1``, which every HDF5 tool reads.

    Examples
    --------
    >>> Settings().tile_bytes, Settings(workers=3).nworkers()
    (2097152, 3)
    """

    workers: int = 0
    tile_bytes: int = 2 * MIB
    partition_bytes: int = 64 * MIB
    small_bytes: int = 256 * MIB
    chunk_bytes: int = 4 * MIB
    piece_bytes: int = 64 * KIB
    engine: str = "auto"
    memory: int | float = 0.5
    scratch: str = ""
    progress: bool = True
    hdf5_depth: int = 10_000
    endpoint_url: str = ""
    hdf5_compression: str = ""

    def nworkers(self) -> int:
        """Return the number of threads: `workers`, or one for each core of this process."""
        if self.workers:
            return self.workers
        return ncores()


_override: ContextVar[Settings | None] = ContextVar("thunderlike_settings", default=None)


def current() -> Settings:
    """Return the settings in force here.

    Examples
    --------
    >>> with config(workers=3):
    ...     current().workers
    3
    """
    return _override.get() or _outside()


@contextmanager
def config(**settings: float | str) -> Iterator[Settings]:
    """Change settings inside a ``with`` block.

    Parameters
    ----------
    **settings
        Fields of :class:`Settings`.

    Raises
    ------
    ConfigError
        For a name that is no setting, or a value that makes no sense.

    Examples
    --------
    >>> with config(tile_bytes=2**16) as settings:
    ...     settings.tile_bytes
    65536
    """
    changed = dataclasses.replace(current(), **_checked(settings, "tl.config"))
    token = _override.set(changed)
    try:
        yield changed
    finally:
        _override.reset(token)


def _outside() -> Settings:
    """Settings of this process: the file, then the environment."""
    found = _from_file(_path()) | _from_environment(os.environ)
    return dataclasses.replace(Settings(), **found)


def home() -> Path | None:
    """Return the home folder of this user, or None.

    A container that is started with a number for a user has neither ``HOME`` nor a line in the
    list of users.

    Examples
    --------
    >>> home() == Path.home()
    True
    """
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return None


def _path() -> Path | None:
    if given := os.environ.get("THUNDERLIKE_CONFIG"):
        return Path(given)
    folder = home()
    return folder / ".config" / "thunderlike" / "thunderlike.toml" if folder else None


def _from_file(path: Path | None) -> dict[str, Any]:
    try:
        if path is None or not path.is_file():
            return {}
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except OSError as error:
        if not os.environ.get("THUNDERLIKE_CONFIG"):
            return {}  # a home that this process cannot read, such as another user's
        raise ConfigError(f"{path}: THUNDERLIKE_CONFIG cannot be read: {error.strerror}") from error
    import tomllib

    try:
        return _checked(tomllib.loads(text), str(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    prefix = "THUNDERLIKE_"
    names = {field.name for field in dataclasses.fields(Settings)}
    # Other modules read other THUNDERLIKE_ variables.
    given = {
        name: environment[prefix + name.upper()]
        for name in sorted(names)
        if prefix + name.upper() in environment
    }
    return _checked(given, "the environment")


def _checked(settings: Mapping[str, Any], source: str) -> dict[str, Any]:
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in settings:
        if name not in known:
            raise ConfigError(f"{source}: no setting {name!r}; there are {', '.join(known)}")
    checks = {
        "endpoint_url": _url, "hdf5_compression": _text, "scratch": _text,
        "engine": _engine, "memory": _memory, "progress": _flag,
    }  # fmt: skip
    checks |= {name: _bytes for name in known if name.endswith("_bytes")}
    return {name: checks.get(name, _whole)(name, value, source) for name, value in settings.items()}


def _whole(name: str, value: object, source: str) -> int:
    least = 0 if name == "workers" else 1
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < least:
        raise ConfigError(f"{source}: {name} must be a whole number >= {least}, not {value!r}")
    return number


def _url(name: str, value: object, source: str) -> str:
    if isinstance(value, str) and "@" in value:
        raise ConfigError(f"{source}: {name} holds a name or password before an '@'; remove it")
    if not isinstance(value, str) or not re.match(r"https?://.|$", value):
        raise ConfigError(f"{source}: {name} must be like 'https://host:port', not {value!r}")
    return value


def _engine(name: str, value: object, source: str) -> str:
    known = ("auto", "local", "disk", "spark")
    if value not in known:
        raise ConfigError(f"{source}: {name} must be one of {', '.join(known)}, not {value!r}")
    return str(value)


def _flag(name: str, value: object, source: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    found = known.get(str(value).lower())
    if found is None:
        raise ConfigError(f"{source}: {name} must be true or false, 1 or 0, not {value!r}")
    return found


def _nbytes(value: object) -> float:
    """Return a number of bytes, which may have a unit; -1 for anything else."""
    found = re.fullmatch(r"\s*([0-9._]+(?:e[0-9]+)?)\s*([kmgt]?i?)b?\s*", str(value).lower())
    try:
        return round(float(found[1]) * _UNITS[found[2]], 9) if found else -1.0
    except (ValueError, KeyError):
        return -1.0


def _bytes(name: str, value: object, source: str) -> int:
    number = _nbytes(value)
    if number < 1 or not number.is_integer():
        raise ConfigError(
            f"{source}: {name} must be a whole number of bytes >= 1, as 65536 or '64 KiB', "
            f"not {value!r}"
        )
    return int(number)


def _memory(name: str, value: object, source: str) -> int | float:
    number = _nbytes(value)
    if not (0 < number < 1 or (number >= 1 and number.is_integer())):
        raise ConfigError(
            f"{source}: {name} must be a whole number of bytes, as '8 GB', or a share between 0 "
            f"and 1, not {value!r}"
        )
    return number if number < 1 else int(number)


def _text(name: str, value: object, source: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{source}: {name} must be text, not {value!r}")
    return value
