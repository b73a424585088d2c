"""``datadings.writer``: write datasets."""

from __future__ import annotations

from thunderlike.datasets.writers import FileWriter, RawWriter, Writer

__all__ = ["FileWriter", "RawWriter", "Writer"]
