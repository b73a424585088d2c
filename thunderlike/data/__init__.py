"""The classes and what they compute: views of one idea, records with keys on an engine.

This room knows engines only by their contract, and never asks which one it is talking to.
"""

from __future__ import annotations

from thunderlike.data.blocks import Blocks
from thunderlike.data.images import Images
from thunderlike.data.series import Series

__all__ = ["Blocks", "Images", "Series"]
