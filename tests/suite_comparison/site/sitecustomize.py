"""Makes the loop that ZLOOP_SUITE_LOOP names the default one, of asyncio and uvicorn, in every process.

Suites start processes, so a patch made by a test runner does not reach them; Python imports this
module at the start of each process that has its folder on PYTHONPATH.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

CONFIGURATION = "uvicorn.config"


class _ConfigurationFinder(MetaPathFinder):
    """Adds a line to the end of the import of uvicorn.config."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != CONFIGURATION:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                module.LOOP_FACTORIES["auto"] = "chosen_loop:loop_factory"

            spec.loader.exec_module = exec_module
        return spec


if os.environ.get("ZLOOP_SUITE_LOOP"):
    sys.meta_path.insert(0, _ConfigurationFinder())

    import asyncio.events

    import chosen_loop

    # Tests that make a loop by hand look here. Those that name a class of loop get that class.
    asyncio.new_event_loop = chosen_loop.new_event_loop
    # asyncio.Runner, and so asyncio.run(), looks here. uvicorn's suite has a test of what that gives.
    if os.environ.get("ZLOOP_SUITE_RUNNER"):
        asyncio.events.new_event_loop = chosen_loop.new_event_loop
