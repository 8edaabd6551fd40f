"""Proves that the suites run on the loop that they are to run on: in this process and in others."""

import asyncio
import os
import subprocess
import sys

import anyio
import pytest
from aiohttp.test_utils import loop_context

CHOSEN = os.environ["ZLOOP_SUITE_LOOP"].partition(":")[0]


def _name_of(loop):
    return type(loop).__module__.partition(".")[0]


async def _running():
    return _name_of(asyncio.get_running_loop())


@pytest.fixture(params=[{}, {"loop_factory": lambda: asyncio.new_event_loop()}])
def anyio_backend(request):
    return "asyncio", request.param


@pytest.mark.anyio
async def test_anyio_runs_tests_on_the_chosen_loop():
    assert await _running() == CHOSEN


def test_anyio_and_asyncio_run_on_the_chosen_loop():
    assert anyio.run(_running) == CHOSEN
    assert asyncio.run(_running()) == CHOSEN


def test_aiohttp_tests_on_the_chosen_loop():
    with loop_context(asyncio.new_event_loop) as loop:
        assert _name_of(loop) == CHOSEN


def test_other_processes_run_on_the_chosen_loop():
    program = "import asyncio; print(type(asyncio.Runner().get_loop()).__module__)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip().partition(".")[0] == CHOSEN
