"""What the pages show works: Python programs are run, commands are parsed, make's targets exist."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from pages import PAGES, ROOT, Block, blocks_of
from programs import Programs

PYTHON_PAGES = [
    page for page in PAGES if any(block.language == "python" for block in blocks_of(page))
]
SHELL_BLOCKS = [
    block for page in PAGES for block in blocks_of(page) if block.language in ("sh", "console")
]


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.stem)
def test_programs_of_a_page_run(page: Path, tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    for block in blocks_of(page):
        if block.language == "python" and not block.is_left_out:
            programs.run(block)


def test_left_out_programs_say_why() -> None:
    for page in PYTHON_PAGES:
        for block in blocks_of(page):
            if block.is_left_out:
                assert block.reason, block.place
                compile(block.text, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: block.place)
def test_commands_can_be_read(block: Block) -> None:
    command = re.sub(r"^\$ ", "", block.text, flags=re.MULTILINE)
    subprocess.run(["bash", "-n"], input=command, text=True, check=True)


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        target: block.place
        for block in SHELL_BLOCKS
        for target in re.findall(r"^(?:\$ )?make ([a-z-]+)", block.text, re.MULTILINE)
    }
    assert named
    assert {target: place for target, place in named.items() if target not in targets} == {}
