"""``datadings.commands.convert_index``: write today's index files from an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike.compat.datadings.commands import command
from thunderlike.datasets import operations

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["convert_index", "entry", "main"]

main = entry = command("datasets", "convert-index")


def convert_index(path: str | Path, outdir: str | Path | None) -> None:
    """Write the index files of a dataset from its ``.index``, in its folder or in another one."""
    operations.convert_index(path, outdir=outdir)


if __name__ == "__main__":
    main()
