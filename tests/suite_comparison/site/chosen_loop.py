"""The loop that ZLOOP_SUITE_LOOP names, as uvicorn and AnyIO want it."""

import importlib
import os


def loop_factory(use_subprocess=False):
    """What uvicorn calls for a loop factory by name."""
    return new_event_loop


def new_event_loop():
    """Makes a loop by the factory that the variable names as "module:name"."""
    module, _, name = os.environ["ZLOOP_SUITE_LOOP"].partition(":")
    return getattr(importlib.import_module(module), name)()
