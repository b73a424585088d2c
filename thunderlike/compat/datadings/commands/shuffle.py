"""``datadings.commands.shuffle``: write a dataset in random order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike.compat.datadings.commands import command
from thunderlike.datasets import operations

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

__all__ = ["entry", "main", "shuffle"]

main = entry = command("datasets", "shuffle")


def shuffle(infile: str | Path, outfile: str | Path, args: Namespace) -> None:
    """Write a dataset in random order, as the options of the command say."""
    names = ("true_shuffle", "buf_size", "chunk_size", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}
    given.setdefault("seed", operations.random_seed())
    overwrite = bool(getattr(args, "no_confirm", False))
    operations.shuffle(infile, outfile, **given, overwrite=overwrite)


if __name__ == "__main__":
    main()
