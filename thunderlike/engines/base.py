"""The engine contract: what a third engine would have to write."""

from __future__ import annotations
