"""Results of checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SEE_ALL", "Finding", "Level", "guarded"]

Level: TypeAlias = Literal["ok", "warn", "FAIL"]
SEE_ALL = "thunderlike --debug doctor"


@dataclass(frozen=True)
class Finding:
    """Result of the check of one part.

    Parameters
    ----------
    name : str
        Name of the part.
    level : 'ok', 'warn' or 'FAIL'
        ``warn``: an optional part is missing, or may disappoint. ``FAIL``: something needed is
        missing, or what is there does not work.
    found : str
        Result in one line.
    fix : str
        Command that fixes the fault; empty without a fault.
    details : dict
        Machine-readable details for ``--json``.

    Examples
    --------
    >>> Finding("java", "warn", "is version 11", "apt-get install default-jre").line
    'is version 11: apt-get install default-jre'
    """

    name: str
    level: Level
    found: str
    fix: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """Result and the command that fixes the fault."""
        return f"{self.found}: {self.fix}" if self.fix else self.found


def guarded(name: str, check: Callable[[], Finding], *, debug: bool = False) -> Finding:
    """Run a check and turn an exception into a finding.

    Parameters
    ----------
    debug : bool
        Print the traceback to standard error.

    Examples
    --------
    >>> guarded("luck", lambda: Finding("luck", "ok", f"{1 / 0}")).line
    'could not be checked, ZeroDivisionError: division by zero: thunderlike --debug doctor'
    """
    try:
        return check()
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        found = f"could not be checked, {type(error).__name__}: {error}"
        return Finding(name, "FAIL", found.splitlines()[0], SEE_ALL)
