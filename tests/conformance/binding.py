"""Makes CPython's asyncio tests use another loop wherever they ask for a default or selector loop."""

from __future__ import annotations

import asyncio
import importlib
import selectors
from collections.abc import Callable
from typing import Any

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def load_factory(name: str) -> LoopFactory:
    """The loop factory that "module:name" names."""
    module, _, attribute = name.partition(":")
    factory: LoopFactory = getattr(importlib.import_module(module), attribute)
    return factory


def bind(factory: LoopFactory) -> None:
    """Points asyncio's public loop constructors, runners and policies at the factory.

    To be called before the test modules are imported, since some keep asyncio.EventLoop as a class
    attribute.
    """
    probe = factory()
    loop_class = type(probe)
    probe.close()
    bound = _bound_class(factory, loop_class)
    for name in ("BaseEventLoop", "EventLoop", "SelectorEventLoop"):
        if hasattr(asyncio, name):
            setattr(asyncio, name, bound)
    _bind_policy(bound)
    _bind_test_utilities()


def _bound_class(factory: LoopFactory, loop_class: type) -> type:
    """A class that, called, makes a loop by the factory, and of which such a loop is an instance."""

    class Bound(type):
        def __call__(cls, selector: selectors.BaseSelector | None = None) -> Any:
            if selector is not None:
                selector.close()
            return factory()

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, loop_class)

    return Bound("SelectorEventLoop", (), {})


def _bind_policy(bound: type) -> None:
    """Has asyncio.new_event_loop() make the loop: it asks the default policy, up to 3.15 at least."""
    from asyncio import unix_events

    for name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        policy = getattr(unix_events, name, None)
        if policy is not None:
            policy._loop_factory = bound
    made = asyncio.new_event_loop()
    made.close()
    if not isinstance(made, bound):
        raise RuntimeError(f"asyncio.new_event_loop() still makes {made!r}")


def _bind_test_utilities() -> None:
    """Has the tests' own clean-up use public methods, where it reads private attributes of the loop."""
    from test.test_asyncio import utils

    def close_loop(loop: asyncio.AbstractEventLoop) -> None:
        if isinstance(loop, asyncio.base_events.BaseEventLoop):
            original(loop)
            return
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    original = utils.TestCase.close_loop
    utils.TestCase.close_loop = staticmethod(close_loop)
