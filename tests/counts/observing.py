"""Which instructions are there to see inside: the counters, and looking whether more is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tools import Place, frames_at

ROOT = Path(__file__).resolve().parents[2]

# Whatever these files do.
FILES = re.compile(
    r"/zloop-py/src/(event_loop/(metrics|observe)\.rs|logging/)|/tracing(-core)?-\d[^/]*/"
)
# What lines elsewhere mention that call them, whose branches are theirs as well.
CALLS = re.compile(
    r"\bcount\(&|\.count_|\btiming\b|observed|\btracing::|\b(debug|enabled)!\(|is_waiting\("
)


def observing(own: Counter[str], module: Path) -> int:
    """How many of a segment's own instructions are for metrics and tracing."""
    return sum(own[address] for address in _observing_addresses(frozenset(own), module))


@cache
def _observing_addresses(addresses: frozenset[str], module: Path) -> list[str]:
    return [
        address
        for address, places in frames_at(module, sorted(addresses)).items()
        if is_for_observing(places)
    ]


def is_for_observing(places: Iterable[Place]) -> bool:
    """Whether one of the places is what counts or looks, or calls that."""
    return any(FILES.search(each.path) or CALLS.search(_source(each)) for each in places)


def _source(place: Place) -> str:
    """The line of the sources, if it is one of zloop's."""
    found = re.search(r"crates/zloop-.*", place.path)
    lines = _lines(ROOT / found[0]) if found else []
    return lines[place.line - 1] if 0 < place.line <= len(lines) else ""


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
