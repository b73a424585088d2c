"""What ``thunderlike doctor`` looks at: each check a small function that returns a `Finding`.

A check reports what is wrong instead of raising, and never shows a secret. To add one, write it in
the module of its kind and name it in ``thunderlike.cli.doctor.examine``.
"""

from __future__ import annotations

from thunderlike.cli.checks.finding import Finding, Level, guarded

__all__ = ["Finding", "Level", "guarded"]
