"""``datadings.commands.write``: write a public dataset."""

from __future__ import annotations

from thunderlike.compat.datadings.commands import command
from thunderlike.datasets import sets

__all__ = ["entry", "find_writers", "main"]

main = entry = command("datasets", "write")


def find_writers() -> list[str]:
    """List the datasets that can be written.

    Examples
    --------
    >>> "CIFAR10" in find_writers(), "YFCC100m" in find_writers()
    (True, False)
    """
    return [name for name in sets.names() if sets.get(name).splits]


if __name__ == "__main__":
    main()
