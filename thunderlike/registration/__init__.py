"""Motion correction of movies and volumes.

Axes are numpy's, ``(y, x)`` or ``(z, y, x)``, and displacements are in pixels of a frame. A shift
is the displacement of the content, ``frame(r + u(r)) = reference(r)``: a scene that moved down by
2 pixels has the shift ``(2, 0)``, and the corrected frame at r is the frame at ``r + u(r)``. The
sign is that of suite2p's offsets and of thunder-registration's ``delta``, and the opposite of that
of the shift that scikit-image returns.

>>> import thunderlike as tl
>>> movie = tl.images.fromexample("calcium")[:60]
>>> model = tl.registration.Rigid().fit(movie)
>>> corrected = model.transform(movie)
"""

from __future__ import annotations

from thunderlike.registration.algorithms import PiecewiseRigid, Rigid, align
from thunderlike.registration.bidirectional import bidirectional_offset, correct_bidirectional
from thunderlike.registration.crosscorr import CrossCorr
from thunderlike.registration.metrics import (
    correlation_with_mean,
    crispness,
    pc_motion,
    plane_scores,
    residual_motion,
)
from thunderlike.registration.model import RegistrationModel, load
from thunderlike.registration.reference import Reference
from thunderlike.registration.transformation import Displacement, LocalDisplacement

__all__ = [
    "CrossCorr",
    "Displacement",
    "LocalDisplacement",
    "PiecewiseRigid",
    "Reference",
    "RegistrationModel",
    "Rigid",
    "align",
    "bidirectional_offset",
    "correct_bidirectional",
    "correlation_with_mean",
    "crispness",
    "load",
    "pc_motion",
    "plane_scores",
    "residual_motion",
]
