"""From here on ``import thunder`` means thunderlike."""

import thunderlike.compat.thunder  # noqa: F401
