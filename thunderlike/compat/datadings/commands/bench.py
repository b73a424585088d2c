"""``datadings.commands.bench``: measure how fast samples are read."""

from __future__ import annotations

from thunderlike.compat.datadings.commands import command

__all__ = ["entry", "main"]

main = entry = command("datasets", "bench")


if __name__ == "__main__":
    main()
