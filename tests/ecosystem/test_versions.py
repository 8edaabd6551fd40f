"""Each library has one version, whichever file asks for it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(
    [
        *TESTS.glob("requirements*.txt"),
        *TESTS.parent.glob("*/requirements.txt"),
        *TESTS.parent.glob("examples/*/requirements.txt"),
    ]
)
REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?(==|>=)([\w.]+)", re.MULTILINE)


def requirements(file):
    """The version of each library that a file names, and how it is compared."""
    found = REQUIREMENT.findall(file.read_text())
    return {re.sub("[-_.]+", "-", name).lower(): (how, version) for name, how, version in found}


PINNED = requirements(Path(__file__).with_name("requirements.txt"))


def test_every_library_is_pinned():
    lines = Path(__file__).with_name("requirements.txt").read_text().splitlines()
    named = [line for line in lines if line and not line.startswith("#")]
    assert len(named) == len(PINNED)
    assert {how for how, _ in PINNED.values()} == {"=="}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS.parent)))
def test_other_files_agree(file):
    for name, (how, version) in requirements(file).items():
        if name not in PINNED:
            continue
        pinned = PINNED[name][1]
        if how == "==":
            assert version == pinned, name
        else:
            assert _parts(version) <= _parts(pinned), name


def _parts(version):
    return tuple(map(int, re.findall(r"\d+", version)))
