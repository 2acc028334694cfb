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
exclude_patterns = ["_build", "examples/README.md"]
nitpicky = True

# Markdown. Headings get the anchors that GitHub gives them, so that a link works in both.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# The notebook runs at each build, on the CSV that lies beside it.
nb_execution_mode = "force"
nb_execution_raise_on_error = True

# Every link must lead somewhere, except types of signatures: they are linked where they can be.
nitpick_ignore_regex = [("py:.*", ".*")]

# Docstrings are NumPy's; what stands between single backquotes is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

html_theme = "pydata_sphinx_theme"
html_title = "eeg-emotion"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# A summary would be fetched from each page found, which a browser refuses for pages read from disk.
html_show_search_summary = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": f"eeg-emotion {release}"},
    "icon_links": [],
    "show_prev_next": False,
    "show_toc_level": 2,
    "navbar_align": "left",
    "navbar_persistent": [],
    "navbar_end": ["search-button", "theme-switcher"],
    "article_header_start": ["breadcrumbs"],
    # The table of settings takes the whole width.
    "secondary_sidebar_items": {"**": ["page-toc"], "reference/SETTINGS": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = f"2026, {author}"  # noqa: A001  # Sphinx's name
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True


def setup(app: Sphinx) -> None:
    """Let PROTOCOL.md's conversations, which a test reads by this name, be shown as plain text."""
    app.add_lexer("conversation", TextLexer)
