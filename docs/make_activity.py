"""Plot docs/generated/activity.png, the result of ``thunderlike demo``, for the front page."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from thunderlike.jobs.demo import demo

TARGET = Path(__file__).parent / "generated" / "activity.png"


def main() -> None:
    """Create the figure unless it exists."""
    if TARGET.exists():
        return
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _, picture = demo(folder, ["local"], frames=600, seed=1, say=lambda _: None)
        shutil.copy(picture, TARGET)


if __name__ == "__main__":
    main()
