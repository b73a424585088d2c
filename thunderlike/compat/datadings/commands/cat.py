"""``datadings.commands.cat``: print samples."""

from __future__ import annotations

from thunderlike.cli import main as run
from thunderlike.compat.datadings.commands import command

__all__ = ["cat", "entry", "main"]

main = entry = command("datasets", "cat")


def cat(infile: str, maxstring: int = 40) -> None:
    """Print the samples of a dataset, text cut to some length."""
    run(["datasets", "cat", str(infile), "--maxstring", str(maxstring)])


if __name__ == "__main__":
    main()
