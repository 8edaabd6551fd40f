"""A pytest plugin: runs AnyIO's tests on the chosen loop, and records the outcome of each test."""

import json
import os
from pathlib import Path

import chosen_loop
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Stands in for the suite's own anyio_backend fixture, which names plain asyncio."""
    if fixturedef.argname != "anyio_backend" or not os.environ.get("ZLOOP_SUITE_LOOP"):
        return None
    backend = ("asyncio", {"loop_factory": chosen_loop.new_event_loop})
    fixturedef.cached_result = (backend, fixturedef.cache_key(request), None)
    return backend


def pytest_configure(config):
    """Records where the results come together: in the process that is no xdist worker."""
    if not hasattr(config, "workerinput") and os.environ.get("ZLOOP_SUITE_OUTCOMES"):
        config.pluginmanager.register(_Recorder(Path(os.environ["ZLOOP_SUITE_OUTCOMES"])))


class _Recorder:
    """Writes the outcome of each test, by its node id."""

    def __init__(self, path):
        self._path = path
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

    def pytest_sessionfinish(self):
        self._path.write_text(
            json.dumps({"outcomes": self._outcomes, "details": self._details}, indent=1)
        )
