"""What the system lets a process have."""

from __future__ import annotations

import ctypes
import os

IO_URING_SETUP = 425
SIZE_OF_PARAMETERS = 120


def has_io_uring() -> bool:
    """Whether there may be a ring: containers often forbid it."""
    parameters = ctypes.create_string_buffer(SIZE_OF_PARAMETERS)
    ring: int = ctypes.CDLL(None).syscall(IO_URING_SETUP, 4, parameters)
    if ring >= 0:
        os.close(ring)
    return ring >= 0
