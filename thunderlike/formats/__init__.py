"""File formats: one module each, from arrays to bytes and back.

This package knows neither paths nor engines nor storage. ``base`` has the protocol of a format's
module and ``registry`` the table of all formats; import a module by name:
``from thunderlike.formats import tiff``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike._lazy import attributes

if TYPE_CHECKING:
    from thunderlike.formats.base import Header, sniff
    from thunderlike.formats.registry import FORMATS, Format

__all__ = ["FORMATS", "Format", "Header", "sniff"]

# The command line reads the table without numpy.
__getattr__ = attributes(
    __name__,
    {
        "FORMATS": "thunderlike.formats.registry:FORMATS",
        "Format": "thunderlike.formats.registry:Format",
        "Header": "thunderlike.formats.base:Header",
        "sniff": "thunderlike.formats.base:sniff",
    },
)
