"""``datadings.commands.split``: write parts of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike.compat.datadings.commands import command
from thunderlike.datasets import operations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["entry", "main", "split_dataset"]

main = entry = command("datasets", "split")


def split_dataset(
    infile: str | Path,
    outfiles: Sequence[str | Path],
    splits: Sequence[int],
    overwrite: bool = False,
) -> None:
    """Write the parts between positions of a dataset to files of their own."""
    operations.split(infile, splits, outfiles, overwrite=overwrite)


if __name__ == "__main__":
    main()
