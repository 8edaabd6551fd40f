"""Proves that the suite runs on the loop that it is to run on: in this process and in spawned ones."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from uvicorn.config import Config

CHOSEN = os.environ["ZLOOP_SUITE_LOOP"].partition(":")[0]
PATIENCE = 30


async def app(scope, receive, send):
    """Answers with the module of the loop that serves it, and the process."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = json.dumps([_name_of(asyncio.get_running_loop()), os.getpid()]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def _name_of(loop):
    return type(loop).__module__.partition(".")[0]


def _default_loop(connection):
    loop = Config(app=app).get_loop_factory()()
    connection.send(_name_of(loop))
    loop.close()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_anyio_runs_tests_on_the_chosen_loop():
    assert _name_of(asyncio.get_running_loop()) == CHOSEN


def test_new_event_loop_makes_the_chosen_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    assert _name_of(loop) == CHOSEN


def test_a_spawned_process_has_the_chosen_loop_as_uvicorns_default():
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe()
    child = spawn.Process(target=_default_loop, args=(sender,))
    child.start()
    assert receiver.poll(PATIENCE)
    assert receiver.recv() == CHOSEN
    child.join(PATIENCE)
    assert child.exitcode == 0


@pytest.mark.parametrize("options", [["--workers", "2"], ["--reload"]], ids=["workers", "reload"])
def test_a_supervised_server_runs_on_the_chosen_loop(options, tmp_path):
    port = _unused_port()
    command = [sys.executable, "-m", "uvicorn", "test_chosen_loop:app", "--lifespan", "off"]
    command += ["--app-dir", os.path.dirname(__file__), "--port", str(port), *options]
    with subprocess.Popen(command, cwd=tmp_path) as server:
        try:
            name, process = _ask(port)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE)
    assert name == CHOSEN
    assert process != server.pid


def _unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ask(port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
