"""``datadings.commands.sample``: write some samples of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike.compat.datadings.commands import command
from thunderlike.datasets import operations

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["entry", "main", "sample"]

main = entry = command("datasets", "sample")


def sample(
    infile: str | Path, outfile: str | Path, number: int, strategy: str = "sequential"
) -> None:
    """Write the first samples of a dataset, or random ones."""
    operations.sample(infile, outfile, number, strategy=strategy)


if __name__ == "__main__":
    main()
