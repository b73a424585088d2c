"""``thunderlike --version``: the versions that a bug report needs, in two lines."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from thunderlike._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Versions", "versions"]

_LIBRARIES = ("numpy", "scipy", "h5py", "pyspark")


class Versions(argparse.Action):
    """What ``--version`` does; Java is only asked when somebody says it."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print them and stop."""
        print(versions())
        parser.exit()


def versions() -> str:
    """Our version on the first line, on the second those of what it stands on.

    Examples
    --------
    >>> versions().splitlines()[0].split()[0]
    'thunderlike'
    """
    below = [f"Python {platform.python_version()}", *map(_library, _LIBRARIES), _java()]
    return f"thunderlike {__version__}\n{', '.join(below)}"


def _library(name: str) -> str:
    """Read a version without importing the library."""
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"no {name}"


def _java() -> str:
    from thunderlike.engines.session import find_java, java_version

    java = find_java()
    return f"Java {java_version(java)}" if java else "no Java"
