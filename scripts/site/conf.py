"""Sphinx's settings for the site of docs/, which scripts/docs builds."""

from __future__ import annotations

import dinv

project = "dinv"
version = release = dinv.__version__
project_copyright = "the dinv authors"
html_title = f"dinv {version}"

extensions = ["myst_parser"]
myst_heading_anchors = 4
"""Titles can be linked to by the names that GitHub gives them."""
myst_links_external_new_tab = False
suppress_warnings = ["misc.highlighting_failure"]
"""What a block shows is not always all of a file."""

smartquotes = False
"""Dashes and quotes are those of commands."""

html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
# Nothing is loaded from another host: the fonts are those of the reader's computer.
html_theme_options = {"navigation_with_keys": True}
