"""Forks: a child shares its parent's descriptors, the ones that its loops wait on too.

What a child did there, the parent would feel: a connection closed in the child would no longer be
waited for in the parent. So each loop of a child goes on with descriptors of its own.
"""

from __future__ import annotations

import os
import weakref

from ._signals import SignalHandling
from ._typing import Any


class Forking(SignalHandling):
    """A loop that a forked child inherits."""

    def __init__(self) -> None:
        super().__init__()
        _loops.add(self)

    def _part_from_parent(self) -> None:
        """Wait by descriptors of one's own, as the child that inherited the loop."""
        if not self.is_closed():
            self._renew_selector()
            self._renew_signal_sockets()


_loops: weakref.WeakSet[Forking] = weakref.WeakSet()


def _part_from_parent() -> None:
    for loop in list(_loops):
        loop._part_from_parent()


# Not everywhere that Python runs can processes fork.
_register: Any = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(after_in_child=_part_from_parent)
