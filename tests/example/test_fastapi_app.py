"""The FastAPI example, served as `make serve` does, answers over HTTP and WebSocket on zloop."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import connect

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app"
PATIENCE = 30


@pytest.fixture(scope="module")
def address():
    """Where the example is served, by uvicorn's command, on a port that the system chooses."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(EXAMPLE)]
    command += ["--loop", "zloop:new_event_loop", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield next(_address_in(line) for line in server.stderr if " running on " in line)
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=PATIENCE)
    assert server.returncode == 0


def _address_in(line):
    return next(word for word in line.split() if word.startswith("http://"))


def _get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def test_loop_is_zloop(address):
    assert json.loads(_get(f"{address}/loop")) == {"loop": "zloop"}


def test_page_talks_to_what_the_app_has(address):
    page = _get(f"{address}/")
    assert 'fetch("/loop")' in page
    assert 'webSocket("/ws")' in page
    assert 'webSocket("/ws/metrics")' in page


@pytest.mark.parametrize(
    ("path", "expected"), [("/plaintext", "Hello, world!"), ("/json?name=you", "Hello, you!")]
)
def test_answers(address, path, expected):
    assert expected in _get(address + path)


def test_stream_comes_to_its_end(address):
    lines = _get(f"{address}/stream?count=3").splitlines()
    assert [line[:6] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"]


def test_metrics(address):
    metrics = json.loads(_get(f"{address}/metrics"))
    assert metrics["turns"] > 0
    assert metrics["connections"] == 1
    assert metrics["callback_seconds"] is None


def test_metrics_are_timed_while_somebody_watches(address):
    with connect(f"{address.replace('http', 'ws')}/ws/metrics", open_timeout=PATIENCE) as websocket:
        first, second = (json.loads(websocket.recv(timeout=PATIENCE)) for _ in range(2))
    assert second["time"] > first["time"]
    assert second["poll_seconds"] > first["poll_seconds"]
    assert second["longest_callback"]


@pytest.mark.parametrize("size", [0, 1, 1_000_003])
def test_download(address, size):
    with urllib.request.urlopen(f"{address}/download?size={size}", timeout=PATIENCE) as answer:
        content = answer.read()
    assert content == (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_upload(address, size):
    content = random.Random(size).randbytes(size)
    request = urllib.request.Request(f"{address}/upload", content, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert json.load(answer) == {"size": size, "sha256": hashlib.sha256(content).hexdigest()}


def test_unknown_page(address):
    with pytest.raises(urllib.error.HTTPError) as error:
        _get(f"{address}/nowhere")
    error.value.close()
    assert error.value.code == 404


@pytest.mark.parametrize("message", ["text", b"bytes", "ü" * 100_000])
def test_websocket_echoes(address, message):
    with connect(f"{address.replace('http', 'ws')}/ws", open_timeout=PATIENCE) as websocket:
        websocket.send(message)
        assert websocket.recv(timeout=PATIENCE) == message
