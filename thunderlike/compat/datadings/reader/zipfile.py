"""``datadings.reader.zipfile``: samples that are members of a zip archive."""

from __future__ import annotations

from thunderlike.datasets.found import ZipFileReader

__all__ = ["ZipFileReader"]
