"""The modules of datadings: ``datadings.reader`` is ``thunderlike.compat.datadings.reader``.

Everything is the same as in :mod:`thunderlike.datasets`; where the two differ in names, order of
arguments or order of files, these modules have datadings'. What is not here is listed in the
documentation, on the page *Coming from datadings*.

>>> from thunderlike.compat.datadings.reader import Cycler, ListReader, Shuffler
>>> letters = ListReader([{"key": k} for k in "abc"])
>>> endless = Cycler(Shuffler(letters, seed=1)).iter(True)
>>> next(endless)
('b', {'key': 'b'})
"""

from __future__ import annotations
