"""The pages of docs/ and the README, and the code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_DIRECTIVE = re.compile(r"<!-- (file|serves|not run): (.+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block; a comment right before it may say what to do with it.

    `<!-- file: NAME -->` keeps it as a file for the page's later programs; `<!-- serves: URL ->
    ANSWER -->` says that it serves until it is interrupted; `<!-- not run: REASON -->` leaves it out.
    """

    page: Path
    line: int
    language: str
    text: str
    directive: str
    argument: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_left_out(self) -> bool:
        return self.directive == "not run"

    @property
    def reason(self) -> str:
        return self.argument if self.is_left_out else ""


@cache
def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    blocks = []
    directive = argument = ""
    for token in MarkdownIt("commonmark").parse(page.read_text()):
        if token.type == "html_block":
            found = _DIRECTIVE.match(token.content)
            if found:
                directive, argument = found.groups()
            continue
        if token.type == "fence":
            assert token.map is not None
            line, language = token.map[0] + 1, token.info.strip()
            blocks.append(Block(page, line, language, token.content, directive, argument))
        directive = argument = ""
    return blocks
