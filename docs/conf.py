"""Configure Sphinx for ``./dev docs``: without network access, and with warnings as errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import thunderlike

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ["THUNDERLIKE_PROGRESS"] = "0"  # in notebooks, on a machine that is slow or busy

project = "thunderlike"
author = "The thunderlike developers"
copyright = author
version = release = thunderlike.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "linking",  # docs/linking.py: resolves short names in docstrings
]
exclude_patterns = ["_build", "jupyter_execute"]
nitpicky = True
# The docstring of collections.abc.Sequence.index, read as a type.
nitpick_ignore = [("py:class", "integer -- return first index of value.")]

# Prose
myst_enable_extensions = ["colon_fence", "attrs_block"]
myst_heading_anchors = 3
default_role = "code"  # docstrings put names of parameters in single backticks

# Notebooks: the tutorial is executed here, the gallery by make_gallery.py.
nb_execution_mode = "force"
nb_execution_excludepatterns = ["generated/**"]
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

# Docstrings
autosummary_generate = True
autodoc_typehints = "none"  # docstrings describe the types
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False  # the page of the class documents them
numpydoc_class_members_toctree = False

# Looks
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static", "images"]
html_css_files = ["custom.css"]
html_title = "thunderlike"
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_depth": 3,
    "header_links_before_dropdown": 7,
    "pygments_light_style": "friendly",  # readable on white: checked at 4.5 : 1
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "navbar_end": ["theme-switcher"],
    "search_as_you_type": True,
}
html_sidebars = {"index": [], "tutorial": []}


def setup(_app: Sphinx) -> None:
    """Write the generated pages before Sphinx collects pages."""
    import make_activity
    import make_api
    import make_gallery

    make_activity.main()
    make_api.main()
    make_gallery.main()
