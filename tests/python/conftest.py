"""Loops to test with, and a look at what they leave behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import zloop

type LoopFactory = Callable[[], asyncio.AbstractEventLoop]

FACTORIES: dict[str, LoopFactory] = {
    "asyncio": asyncio.SelectorEventLoop,
    "zloop": zloop.new_event_loop,
}


def open_descriptors() -> dict[str, str]:
    """What each descriptor of this process refers to."""
    descriptors = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            descriptors[entry.name] = str(entry.readlink())
        except FileNotFoundError:
            continue  # The one that listed the folder.
    return descriptors


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Fail if descriptors are open after a test that were not before it."""
    before = open_descriptors()
    yield
    if open_descriptors().keys() - before.keys():
        gc.collect()
    after = open_descriptors()
    left = {number: after[number] for number in after.keys() - before.keys()}
    assert not left, f"left open: {left}"


@contextmanager
def closing(made: asyncio.AbstractEventLoop) -> Iterator[asyncio.AbstractEventLoop]:
    """End a loop as `asyncio.run` does."""
    try:
        yield made
    finally:
        if not made.is_closed():
            made.run_until_complete(made.shutdown_asyncgens())
            made.run_until_complete(made.shutdown_default_executor())
            made.close()


@pytest.fixture(params=FACTORIES)
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    """asyncio's own loop and zloop, one after the other: what holds for both is compatible."""
    return FACTORIES[request.param]


@pytest.fixture
def loop(loop_factory) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of each kind, closed afterwards."""
    with closing(loop_factory()) as made:
        yield made


@pytest.fixture
def zloop_loop() -> Iterator[zloop.Loop]:
    """A zloop loop, for what only it promises."""
    made = zloop.new_event_loop()
    with closing(made):
        yield made


@pytest.fixture
def reports(loop):
    """What the exception handler was told."""
    told: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    return told
