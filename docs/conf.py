"""How the documentation is built: ``./dev docs``. Nothing is fetched, and a warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import thunderlike

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

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
    "linking",  # beside this file: short names in docstrings find their page
]
exclude_patterns = ["_build", "jupyter_execute"]
nitpicky = True

# Prose
myst_enable_extensions = ["colon_fence", "attrs_block"]
myst_heading_anchors = 3
default_role = "code"  # docstrings put names of parameters in single backticks

# Notebooks: the tutorial is executed here; those of the gallery were when they were made.
nb_execution_mode = "force"
nb_execution_excludepatterns = ["generated/**"]
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

# Docstrings
autosummary_generate = True
autodoc_typehints = "none"  # the docstring says it in words
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False  # a class's page has them in full
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
    """Write the pages that are made from the code before Sphinx looks which pages there are."""
    import make_activity
    import make_api
    import make_gallery

    make_activity.main()
    make_api.main()
    make_gallery.main()
