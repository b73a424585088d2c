"""Where thunderlike's own settings come from."""

from __future__ import annotations

import os

from thunderlike.cli.checks.finding import Finding
from thunderlike.config import _path, current
from thunderlike.errors import ConfigError

__all__ = ["settings"]


def settings() -> Finding:
    """Whether the settings make sense, and who makes them, the weaker first."""
    path = _path()
    names = sorted(name for name in os.environ if name.startswith("THUNDERLIKE_"))
    there = path is not None and os.access(path, os.R_OK) and path.is_file()
    details = {"file": str(path), "exists": there, "environment": names}
    try:
        current()
    except ConfigError as error:
        wrong = [n for n in names if n.removeprefix("THUNDERLIKE_").lower() in str(error).split()]
        fix = f"edit {path}" if str(path) in str(error) else f"unset {' '.join(wrong)}"
        return Finding("settings", "FAIL", str(error), fix, details)
    if "THUNDERLIKE_CONFIG" in names and not there:
        found = f"THUNDERLIKE_CONFIG={path} is no file"
        return Finding("settings", "warn", found, "unset THUNDERLIKE_CONFIG", details)
    file = f"{path}" if there else f"{path} (there is none)" if path else "no home, no file"
    found = f"{file} < {', '.join(names) or 'no THUNDERLIKE_*'}"
    return Finding("settings", "ok", found, details=details)
