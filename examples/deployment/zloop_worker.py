"""gunicorn's worker class that serves by uvicorn on zloop: gunicorn -k zloop_worker.ZloopWorker app:app"""

from __future__ import annotations

from typing import Any

from uvicorn_worker import UvicornWorker


class ZloopWorker(UvicornWorker):
    """uvicorn's worker, with zloop as its loop."""

    CONFIG_KWARGS: dict[str, Any] = {"loop": "zloop:new_event_loop"}
