"""Tasks that a task factory makes; the engine makes all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ._base import LoopBase
from ._typing import Any


class TaskFactories(LoopBase):
    """What `create_task` does where a task factory is set, or an argument is unusual."""

    # What a factory is passed, and which keywords are refused, differs from release to release.
    _create_task: Any = asyncio.BaseEventLoop.create_task

    @property
    def _task_factory(self) -> Callable[..., asyncio.Future[Any]] | None:
        return self.get_task_factory()
