"""``datadings.commands.merge``: write several datasets as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike.compat.datadings.commands import command
from thunderlike.datasets import operations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["entry", "main", "merge_concat", "merge_random"]

main = entry = command("datasets", "merge")


def merge_concat(infiles: Sequence[str | Path], outfile: str | Path, shuffle: bool = False) -> None:
    """Write datasets one after the other, each shuffled first if wanted."""
    operations.merge(infiles, outfile, shuffle=shuffle)


def merge_random(infiles: Sequence[str | Path], outfile: str | Path, shuffle: bool = False) -> None:
    """Write datasets with the next sample from any of them, those with more left more often."""
    operations.merge(infiles, outfile, strategy="random", shuffle=shuffle)


if __name__ == "__main__":
    main()
