"""Tasks that a task factory makes; the engine makes all others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from ._base import LoopBase

_PASSES_ALL_KEYWORDS = sys.version_info >= (3, 14)


class TaskFactories(LoopBase):
    """What `create_task` does where a task factory is set."""

    def _create_task_by_factory(
        self, coro: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Make a task by the factory, with the keywords that this version of asyncio passes on."""
        factory: Any = self.get_task_factory()
        name = None
        if not _PASSES_ALL_KEYWORDS:
            name = kwargs.pop("name", None)
            if kwargs.get("context", self) is None:
                del kwargs["context"]
        task: asyncio.Task[Any] = factory(self, coro, **kwargs)
        if name is not None:
            task.set_name(name)
        return task
