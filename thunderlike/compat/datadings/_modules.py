"""Contents of the modules of ``datadings.commands`` and ``datadings.sets``.

Each module of a command runs that command of ``thunderlike datasets``, and has its functions. Each
set has a module of its classes and colours, and one whose command writes it.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.datasets import images, operations, sets
from thunderlike.datasets.sets import spec as types
from thunderlike.datasets.sets.yfcc100m import YFCC100mReader

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "bitget",
    "cat",
    "command",
    "command_module",
    "convert_index",
    "facts",
    "files",
    "find_writers",
    "merge_concat",
    "merge_random",
    "sample",
    "set_module",
    "shuffle",
    "split_dataset",
]

# Commands


def command(*words: str) -> Callable[[], None]:
    """Make the ``main`` of a command, which reads ``sys.argv`` and exits with the command's code.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch("sys.argv", ["info", "no-such.msgpack"]):
    ...     command("datasets", "info")()
    Traceback (most recent call last):
    ...
    SystemExit: 2
    """

    def main() -> None:
        # The command line is loaded when a command runs: modules of sets only have facts.
        from thunderlike.cli import main as run

        code = run([*words, *sys.argv[1:]])
        if code:
            raise SystemExit(code)

    return main


def cat(infile: str, maxstring: int = 40) -> None:
    """Print the samples of a dataset, each value cut to `maxstring` characters."""
    from thunderlike.cli import main as run

    run(["datasets", "cat", str(infile), "--maxstring", str(maxstring)])


def convert_index(path: str | Path, outdir: str | Path | None) -> None:
    """Write the index files of a dataset from its ``.index``, in its folder or in another one."""
    operations.convert_index(path, outdir=outdir)


def merge_concat(infiles: Sequence[str | Path], outfile: str | Path, shuffle: bool = False) -> None:
    """Write datasets one after the other, each shuffled first if `shuffle`."""
    operations.merge(infiles, outfile, shuffle=shuffle)


def merge_random(infiles: Sequence[str | Path], outfile: str | Path, shuffle: bool = False) -> None:
    """Write datasets by drawing each sample from one of them, weighted by the samples left."""
    operations.merge(infiles, outfile, strategy="random", shuffle=shuffle)


def sample(
    infile: str | Path, outfile: str | Path, number: int, strategy: str = "sequential"
) -> None:
    """Write the first samples of a dataset, or random ones."""
    operations.sample(infile, outfile, number, strategy=strategy)


def shuffle(infile: str | Path, outfile: str | Path, args: Namespace) -> None:
    """Write a dataset in random order, with the options of the command."""
    # As its parser leaves them: options that were not given are missing or None.
    names = ("true_shuffle", "buf_size", "chunk_size", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}
    given.setdefault("seed", operations.random_seed())
    overwrite = bool(getattr(args, "no_confirm", False))
    operations.shuffle(infile, outfile, **given, overwrite=overwrite)


def split_dataset(
    infile: str | Path,
    outfiles: Sequence[str | Path],
    splits: Sequence[int],
    overwrite: bool = False,
) -> None:
    """Write the parts of a dataset between positions to one file each."""
    operations.split(infile, splits, outfiles, overwrite=overwrite)


def find_writers() -> list[str]:
    """List the public datasets that can be written.

    Examples
    --------
    >>> "CIFAR10" in find_writers(), "YFCC100m" in find_writers()
    (True, False)
    """
    return [name for name in sets.names() if sets.get(name).splits]


# Of functions that scripts import; the rest of a command is its `main`.
_FUNCTIONS: dict[str, list[Callable[..., Any]]] = {
    "bench": [],
    "cat": [cat],
    "convert_index": [convert_index],
    "merge": [merge_concat, merge_random],
    "sample": [sample],
    "shuffle": [shuffle],
    "split": [split_dataset],
    "write": [find_writers],
}


def command_module(name: str) -> dict[str, Any] | None:
    """Return the contents of a module of ``datadings.commands``; None for an unknown command.

    Examples
    --------
    >>> sorted(command_module("sample"))
    ['entry', 'main', 'sample']
    """
    if name not in _FUNCTIONS:
        return None
    main = command("datasets", name.replace("_", "-"))
    return {"main": main, "entry": main, **{one.__name__: one for one in _FUNCTIONS[name]}}


# Sets

_WRITE = "_write"


def bitget(byteval: int, idx: int) -> bool:
    """Return bit `idx` of a number.

    Examples
    --------
    >>> bitget(4, 2), bitget(4, 0)
    (True, False)
    """
    return bool(byteval & (1 << idx))


# Functions that modules of datadings define for their own set.
_MORE: dict[str, dict[str, Any]] = {
    "ADE20k": {"index_to_color": images.index_to_color},
    "VOC2012": {
        "bitget": bitget,
        "class_color_map": images.class_color_map,
        "median_frequency_weights": images.median_frequency_weights,
    },
    "YFCC100m": {"YFCC100mReader": YFCC100mReader},
}


def set_module(name: str) -> dict[str, Any] | None:
    """Return the contents of a module of ``datadings.sets``; None for an unknown set.

    Examples
    --------
    >>> sorted(set_module("CIFAR10_write"))
    ['FILES', 'main']
    """
    if name == "types":
        return {maker: getattr(types, maker) for maker in types.TYPES}
    short = name.removesuffix(_WRITE)
    if short not in sets.names():
        return None
    if name.endswith(_WRITE):
        return {"FILES": files(short), "main": command("datasets", "write", sets.get(short).name)}
    return facts(short)


def facts(name: str) -> dict[str, Any]:
    """Return classes and colours of a set, and functions of its module in datadings."""
    spec = sets.get(name)
    found: dict[str, Any] = {}
    if spec.classes:
        found["CLASSES"] = spec.classes
    if spec.colors:
        found["COLORS"] = spec.colors
        found["index_to_color"] = partial(images.index_to_color, colors=spec.colors)
    return found | _MORE.get(name, {})


def files(name: str) -> dict[str, dict[str, str | None]]:
    """Return the source files of a set, as ``prepare_indir`` takes them."""
    spec = sets.get(name)
    return {
        short: {"path": one.path, "url": one.url, "md5": one.md5}
        for short, one in spec.files(spec.chosen({})).items()
    }
