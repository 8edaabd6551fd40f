"""Points uvicorn's default loop at the loop that ZLOOP_UVICORN_LOOP names, in every process.

uvicorn spawns its workers, so a patch made by a test runner does not reach them; Python imports this
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


if os.environ.get("ZLOOP_UVICORN_LOOP"):
    sys.meta_path.insert(0, _ConfigurationFinder())

    import asyncio

    import chosen_loop

    # Tests that make a loop by hand; asyncio.run() and policies do not look here.
    asyncio.new_event_loop = chosen_loop.new_event_loop
