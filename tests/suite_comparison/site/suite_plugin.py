"""A pytest plugin: runs AnyIO's tests on the chosen loop, and records the outcome of each test."""

import json
import os
import time
from pathlib import Path

import chosen_loop
import pytest

# Seconds between words about how far a suite has come.
TOLD_EACH = 60


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Stands in for the suite's own anyio_backend fixture, which names plain asyncio."""
    if fixturedef.argname != "anyio_backend" or not os.environ.get("ZLOOP_SUITE_LOOP"):
        return None
    backend = ("asyncio", {"loop_factory": chosen_loop.new_event_loop})
    fixturedef.cached_result = (backend, fixturedef.cache_key(request), None)
    return backend


# Where zloop does what blockbuster lets asyncio do: sendfile on a socket that does not block, a look at
# a Unix socket's path, and the start of a process.
MAY_BLOCK = {
    "os.sendfile": ("zloop/_sendfile.py", {"_sock_sendfile_native"}),
    "os.stat": ("zloop/_serve.py", {"create_unix_server", "_stop_serving"}),
    "os.unlink": ("zloop/_serve.py", {"create_unix_server", "_stop_serving"}),
    "os.remove": ("zloop/_serve.py", {"create_unix_server", "_stop_serving"}),
    "os.read": ("zloop/_subprocess_transport.py", {"_start"}),
}


def _let_zloop_do_what_asyncio_may():
    """Tells blockbuster, which finds blocking calls by name and file, of zloop's files."""
    try:
        from blockbuster import BlockBuster
    except ImportError:
        return
    original = BlockBuster.__init__

    def initialize(self, *args, **kwargs):
        original(self, *args, **kwargs)
        for function, place in MAY_BLOCK.items():
            if function in self.functions:
                self.functions[function].can_block_in(*place)

    BlockBuster.__init__ = initialize


def pytest_configure(config):
    """Records where the results come together: in the process that is no xdist worker."""
    _let_zloop_do_what_asyncio_may()
    if not hasattr(config, "workerinput") and os.environ.get("ZLOOP_SUITE_OUTCOMES"):
        config.pluginmanager.register(_Recorder(Path(os.environ["ZLOOP_SUITE_OUTCOMES"])))


class _Recorder:
    """Writes the outcome of each test, by its node id, and tells now and then how many there are."""

    def __init__(self, path):
        self._path = path
        self._told = time.monotonic()
        self._outcomes = {}
        self._details = {}

    def pytest_runtest_logreport(self, report):
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if report.passed else "xfailed"
        if report.when != "call" and outcome == "failed":
            outcome = f"error at {report.when}"
        if report.when == "call" or outcome != "passed":
            self._outcomes[report.nodeid] = outcome
        if report.failed:
            self._details[report.nodeid] = report.longreprtext
        if time.monotonic() - self._told >= TOLD_EACH:
            self._told = time.monotonic()
            self._tell(f"==> {len(self._outcomes)} tests so far, {len(self._details)} failed\n")

    def _tell(self, line):
        """Writes where the output of the comparison goes: that of pytest is held back."""
        if "ZLOOP_SUITE_STEPS" in os.environ:
            os.write(int(os.environ["ZLOOP_SUITE_STEPS"]), line.encode())

    def pytest_sessionfinish(self):
        self._path.write_text(
            json.dumps({"outcomes": self._outcomes, "details": self._details}, indent=1)
        )
