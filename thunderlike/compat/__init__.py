"""Names of the older packages, for code written for them.

:mod:`thunderlike.compat.thunder` lets code written for Thunder import it as ``thunder``;
:mod:`thunderlike.compat.deepdish`, :mod:`thunderlike.compat.datadings` and
:mod:`thunderlike.compat.batchflow` have the modules of those packages. No other
package imports this one.
"""

from __future__ import annotations

from thunderlike.compat.aliases import submodules as _submodules

_submodules(
    __name__,
    {
        "readers": {
            "thunderlike.compat.thunder_files": "FileNotFoundError LocalFileReader "
            "LocalParallelReader get_file_reader get_parallel_reader normalize_scheme"
        },
        "writers": {
            "thunderlike.compat.thunder_files": "getlabel images_tobinary series_tobinary topng "
            "totif write_config"
        },
    },
)
