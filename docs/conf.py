"""Sphinx builds the pages of this folder; `make docs` runs it."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

project = "zloop"
author = "the zloop authors"

extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 3

exclude_patterns = ["requirements.txt"]
html_theme = "furo"
html_title = "zloop"
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#b4451f",
        "color-brand-content": "#b4451f",
        "color-brand-visited": "#8a3a1f",
    },
    "dark_css_variables": {
        "color-brand-primary": "#f08a5d",
        "color-brand-content": "#f08a5d",
        "color-brand-visited": "#d98a6a",
    },
}
pygments_style = "friendly"
pygments_dark_style = "monokai"


# The pages are read in the repository too, where they link to its files.
REPOSITORY = "https://github.com/zloop/zloop/blob/main/"
ROOT = Path(__file__).parent.parent
_logger = logging.getLogger(__name__)
_OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)")


def setup(app: Sphinx) -> None:
    """Have pages that are read in the repository too come out right."""
    app.connect("source-read", _adapt)


def _adapt(_app: Sphinx, page: str, source: list[str]) -> None:
    for path in _OUTSIDE.findall(source[0]):
        if not (ROOT / path).exists():
            _logger.warning("%s links to %s, which is not there", page, path)
    text = _OUTSIDE.sub(rf"]({REPOSITORY}\1", source[0])
    # What rustdoc is to do with a block says nothing about its colours.
    source[0] = re.sub(r"^```rust,\w+$", "```rust", text, flags=re.MULTILINE)
