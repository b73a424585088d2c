"""Modules of ``datadings.commands``: each runs a command of ``thunderlike datasets``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from thunderlike.cli import main as run
from thunderlike.datasets import operations, sets

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "cat",
    "command",
    "convert_index",
    "find_writers",
    "merge_concat",
    "merge_random",
    "module",
    "sample",
    "shuffle",
    "split_dataset",
]


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
        code = run([*words, *sys.argv[1:]])
        if code:
            raise SystemExit(code)

    return main


def cat(infile: str, maxstring: int = 40) -> None:
    """Print the samples of a dataset, each value cut to `maxstring` characters."""
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


def module(name: str) -> dict[str, Any] | None:
    """Return the contents of a module of ``datadings.commands``; None for an unknown command.

    Examples
    --------
    >>> sorted(module("sample"))
    ['entry', 'main', 'sample']
    """
    if name not in _FUNCTIONS:
        return None
    main = command("datasets", name.replace("_", "-"))
    return {"main": main, "entry": main, **{one.__name__: one for one in _FUNCTIONS[name]}}
