"""How Sphinx builds the documentation: `make docs`. Nothing is loaded from the network."""

from __future__ import annotations

import os
import re
from importlib.metadata import version as installed
from pathlib import Path

from docutils import nodes
from jupyter_client.manager import KernelManager
from pygments.lexers.special import TextLexer
from sphinx import addnodes
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
# Its kernel listens on ports of this machine; it warns unless they are encrypted.
KernelManager.transport_encryption.default_value = "auto"

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


# A page that is a text from elsewhere, and nothing else.
INCLUDE = re.compile(r"```\{include\} (\S+)\n")


def setup(app: Sphinx) -> None:
    """Let PROTOCOL.md's conversations, which a test reads by this name, be shown as plain text."""
    app.add_lexer("conversation", TextLexer)
    # Before the files that are offered as downloads are collected.
    app.connect("doctree-read", offer_files_beside_docs, priority=100)


def offer_files_beside_docs(app: Sphinx, doctree: nodes.document) -> None:
    """Let links lead out of docs/, as they do on GitHub.

    Sphinx knows pages of docs/ alone. A link to a text that a page includes whole, such as
    CONTRIBUTING.md, leads to that page; one to another file offers it as a download, as MyST does
    by itself where the file is no page; one to a folder names the folder.
    """
    included = included_texts(app)
    here = Path(app.env.doc2path(app.env.docname))
    written_in = next((text for text, name in included.items() if name == app.env.docname), here)
    for link in list(doctree.findall(addnodes.pending_xref)):
        written = str(link["reftarget"])
        if link["reftype"] != "myst" or written.startswith("#"):
            continue
        if link["refdomain"] == "doc":  # MyST takes the ending off
            path = Path(app.srcdir, f"{written}.md")
            if written in app.project.docnames:
                continue
        else:
            written, _, place = written.partition("#")
            path = written_in.parent / written
            link["reftargetid"] = place or None  # MyST leaves it on the path
        path = path.resolve()
        if path in included:
            link["refdomain"], link["reftarget"] = "doc", included[path]
        elif path.is_file():
            offered = addnodes.download_reference("", "", *link.children, refdomain=None)
            offered["reftarget"] = f"/{os.path.relpath(path, app.srcdir)}"
            link.replace_self(offered)
        elif path.is_dir():
            link.replace_self(link.children)


def included_texts(app: Sphinx) -> dict[Path, str]:
    """Return the files that lie outside docs/ and are shown whole, each with its page's name."""
    pages = {name: Path(app.env.doc2path(name)) for name in app.project.docnames}
    found = {}
    for name, page in pages.items():
        include = INCLUDE.match(page.read_text(encoding="utf-8")) if page.suffix == ".md" else None
        if include:
            found[(page.parent / include[1]).resolve()] = name
    return found
