"""Calcium imaging end to end: from a movie to cells, traces and spikes, in steps that resume."""

from __future__ import annotations
