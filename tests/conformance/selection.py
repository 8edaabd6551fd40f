"""Which of CPython's own asyncio tests are about an event loop, and so are run on another one."""

from __future__ import annotations

import importlib
import importlib.util
import unittest
from collections.abc import Iterator
from dataclasses import dataclass

PACKAGE = "test.test_asyncio"

# Every class of these modules that is a TestCase, on the loop that asyncio.new_event_loop() makes.
WHOLE_MODULES = (
    "test_context",
    "test_eager_task_factory",
    "test_free_threading",  # from 3.14
    "test_futures",
    "test_futures2",
    "test_graph",  # from 3.14
    "test_locks",
    "test_pep492",
    "test_queues",
    "test_runners",
    "test_server_context",  # from 3.15
    "test_ssl",
    "test_sslproto",
    "test_staggered",
    "test_streams",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_waitfor",
)

# Modules that run the same mixins on several selectors or child watchers: one of each is enough, since
# they all become the same loop. The rest of these modules tests asyncio's own classes.
CHOSEN_CLASSES = {
    "test_buffered_proto": ("BufferedProtocolSelectorTests",),
    "test_events": ("EPollEventLoopTests", "TestServer", "UnixPipeObjectSupportTests"),
    "test_sendfile": ("EPollEventLoopTests",),
    "test_server": ("SelectorStartServerTests", "TestServer2", "UnixServerCleanupTests"),
    "test_sock_lowlevel": ("EPollEventLoopTests",),
    "test_subprocess": ("SubprocessPidfdWatcherTests",),
    "test_unix_events": ("TestFork", "TestFunctional"),
}

# Loops that only Windows has.
LEFT_OUT = ("Proactor", "Windows")


@dataclass(frozen=True, order=True)
class TestName:
    """A test, by the names that CPython has for it."""

    module: str
    case: str
    method: str

    def __str__(self) -> str:
        return f"{self.module}.{self.case}.{self.method}"

    def load(self) -> unittest.TestCase:
        """The test itself, ready to run."""
        case = getattr(importlib.import_module(f"{PACKAGE}.{self.module}"), self.case)
        test: unittest.TestCase = case(self.method)
        return test


def all_tests() -> list[TestName]:
    """Every chosen test that this interpreter has; imports the modules that hold them.

    Raises ModuleNotFoundError if the interpreter comes without its test suite.
    """
    importlib.import_module(PACKAGE)
    return sorted(name for module in _modules() for name in _tests_of(module))


def _modules() -> Iterator[str]:
    for module in (*WHOLE_MODULES, *CHOSEN_CLASSES):
        if importlib.util.find_spec(f"{PACKAGE}.{module}") is not None:
            yield module


def _tests_of(module: str) -> Iterator[TestName]:
    loaded = importlib.import_module(f"{PACKAGE}.{module}")
    chosen = CHOSEN_CLASSES.get(module)
    for name, case in vars(loaded).items():
        if not (isinstance(case, type) and issubclass(case, unittest.TestCase)):
            continue
        if case.__module__ != loaded.__name__ or name.startswith(LEFT_OUT):
            continue
        if chosen is None or name in chosen:
            for method in unittest.defaultTestLoader.getTestCaseNames(case):
                yield TestName(module, name, method)
