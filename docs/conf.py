"""How Sphinx builds the documentation: `make docs`. Nothing is loaded from the network."""

from __future__ import annotations

from importlib.metadata import version as installed

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "eeg-emotion"
author = "the eeg-emotion contributors"
release = version = installed("eeg-emotion")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "examples/README.md", "news"]
nitpicky = True

# Markdown. Headings get the anchors that GitHub gives them, so that a link works in both.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# The notebook runs at each build, on the CSV that lies beside it.
nb_execution_mode = "force"
nb_execution_raise_on_error = True

# Docstrings are NumPy's; what stands between single backquotes is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = "eeg-emotion"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False
# A summary would be fetched from each page found, which a browser refuses for pages read from disk.
html_show_search_summary = False
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = f"2026, {author}"  # noqa: A001  # Sphinx's name
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True


def setup(app: Sphinx) -> None:
    """Let PROTOCOL.md's conversations, which a test reads by this name, be shown as plain text."""
    app.add_lexer("conversation", TextLexer)
