"""What bytes mean: one module for each file format, array to bytes and back.

This room knows neither paths nor engines nor storage. ``base`` says what a format's module offers;
import the module you need: ``from thunderlike.formats import tiff``.
"""

from __future__ import annotations

from thunderlike.formats.base import Format, Header, sniff

__all__ = ["Format", "Header", "sniff"]
