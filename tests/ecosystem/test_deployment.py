"""Servers deployed as people deploy them: docs/deployment.md, and the files in examples/deployment."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from services.launch import APPLICATION, EXAMPLES, SCRIPTS, launched, processes_that_answer
from services.process import free_port
from services.programs import program

DEPLOYMENT = EXAMPLES / "deployment"
PAGE = EXAMPLES.parent / "docs" / "deployment.md"
UVICORN = [SCRIPTS / "uvicorn", "deployed_app:app", "--loop", "zloop:new_event_loop"]
UVICORN += ["--no-access-log"]


def gunicorn(port, workers):
    worker = ["--worker-class", "zloop_worker.ZloopWorker", "--workers", str(workers)]
    place = ["--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    return [SCRIPTS / "gunicorn", "deployed_app:app", *worker, *place]


def uvicorn_workers(port, workers):
    return [*UVICORN, "--port", str(port), "--workers", str(workers)]


SUPERVISED = pytest.mark.parametrize("supervised", [uvicorn_workers, gunicorn])


@SUPERVISED
async def test_workers_share_the_load(supervised, tmp_path):
    port = free_port()
    async with launched(supervised(port, 2), tmp_path / "log") as server:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            answering = await processes_that_answer(client, at_least=2)
        assert server.pid not in answering


@SUPERVISED
async def test_worker_that_dies_is_replaced(supervised, tmp_path):
    port = free_port()
    async with launched(supervised(port, 2), tmp_path / "log"):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            first = await processes_that_answer(client, at_least=2)
            os.kill(min(first), signal.SIGKILL)
            answering = set(first)
            while answering <= first:
                answering |= await processes_that_answer(client, at_least=1)


async def test_several_processes_on_one_port(tmp_path):
    port = free_port()
    command = [sys.executable, DEPLOYMENT / "reuse_port.py", "deployed_app:app"]
    command += ["--port", str(port), "--processes", "2"]
    # The application is found in the working directory, as uvicorn and gunicorn find it.
    async with launched(command, tmp_path / "log", cwd=APPLICATION, path=[]):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await processes_that_answer(client, at_least=2)


class SystemdSocket:
    """A Unix socket that listens, and what systemd does to hand it to a service as descriptor 3."""

    def __init__(self, path):
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def launched(self, log):
        number = self.listener.fileno()
        script = f'exec 3<&{number}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        command = ["bash", "-c", script, "systemd", *UVICORN, "--fd", "3"]
        return launched(command, log, pass_fds=[number])

    def client(self):
        transport = httpx.AsyncHTTPTransport(uds=self.path)
        return httpx.AsyncClient(base_url="http://localhost", transport=transport, timeout=60)


async def test_systemd_hands_a_socket_over(tmp_path):
    with SystemdSocket(tmp_path / "socket") as handed:
        async with handed.client() as client:
            # Nobody serves yet: the connection waits in the socket.
            early = asyncio.create_task(client.get("/"))
            await asyncio.sleep(0.05)
            async with handed.launched(tmp_path / "log") as server:
                answer = (await early).json()
                assert answer == {"loop": "zloop", "process": server.pid}


class Load:
    """Clients that ask without a pause, over connections that they keep."""

    def __init__(self, client):
        self._client = client
        self.answered_by: list[int] = []
        self.failures: list[str] = []
        self._tasks: list[asyncio.Task] = []

    async def __aenter__(self):
        paths = ["/"] * 6 + ["/slow"] * 4
        self._tasks = [asyncio.create_task(self._ask(path)) for path in paths]
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, path):
        while True:
            try:
                answer = await self._get(path)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
            else:
                if answer.status_code != 200 or answer.json()["loop"] != "zloop":
                    self.failures.append(f"{answer.status_code}: {answer.text}")
                else:
                    self.answered_by.append(answer.json()["process"])
            await asyncio.sleep(0.002)

    async def _get(self, path):
        """Asks again if a connection ended before a byte of the answer, as a client may.

        It was idle, or accepted in the moment in which its worker shut down; and any of those that are kept
        may have ended with it.
        """
        attempts_left = 20
        while True:
            attempts_left -= 1
            try:
                return await self._client.get(path)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                is_in_mid_answer = "peer closed connection" in str(error)
                if is_in_mid_answer or not attempts_left:
                    raise

    async def hears(self, count):
        """Waits for so many answers more."""
        target = len(self.answered_by) + count
        while len(self.answered_by) < target and not self.failures:
            await asyncio.sleep(0.01)

    async def hears_only_others_than(self, processes):
        """Waits until many answers in a row come from none of these processes."""
        while not self.failures:
            latest = self.answered_by[-100:]
            if len(latest) == 100 and not processes.intersection(latest):
                return
            await asyncio.sleep(0.01)


@SUPERVISED
async def test_restart_under_load_fails_no_request(supervised, tmp_path):
    port = free_port()
    async with launched(supervised(port, 2), tmp_path / "log") as server:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            old = await processes_that_answer(client, at_least=2)
            async with Load(client) as load:
                await load.hears(100)
                server.send_signal(signal.SIGHUP)
                await load.hears_only_others_than(old)
                assert load.failures == []
                assert len(set(load.answered_by) - old) >= 1


async def test_restart_of_a_systemd_service_under_load_fails_no_request(tmp_path):
    with SystemdSocket(tmp_path / "socket") as handed:
        async with handed.client() as client, Load(client) as load:
            processes = []
            for _ in range(3):
                async with handed.launched(tmp_path / "log") as server:
                    processes.append(server.pid)
                    await load.hears_only_others_than(set(processes[:-1]))
                    assert server.pid in load.answered_by
                assert load.failures == []


def test_dockerfile_is_sound():
    text = (DEPLOYMENT / "Dockerfile").read_text()
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    steps = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "CMD"}
    assert {name for name, _ in steps} <= known
    names = [name for name, _ in steps]
    assert names[0] == "FROM"
    assert names[-1] == "CMD"
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    image = dict(steps)["FROM"]
    assert re.fullmatch(r"python:3\.1[2-5]-slim", image)
    root = EXAMPLES.parent
    for name, value in steps:
        if name == "COPY":
            *sources, _target = value.split()
            # The wheel is built by `make wheel`.
            assert all((root / source).exists() for source in sources if "*" not in source)
        if name == "RUN":
            for command in value.split("&&"):
                assert shlex.split(command)[0] in {"pip", "rm", "useradd"}
    command = json.loads(dict(steps)["CMD"])
    assert command[:2] == ["uvicorn", "app:app"]
    assert command[command.index("--loop") + 1] == "zloop:new_event_loop"


def test_units_name_each_other():
    service = (DEPLOYMENT / "app.service").read_text()
    assert "Requires=app.socket" in service
    started = next(line for line in service.splitlines() if line.startswith("ExecStart="))
    assert shlex.split(started)[1:] == ["app:app", "--fd", "3", "--loop", "zloop:new_event_loop"]


def test_nginx_takes_the_configuration_of_the_page(tmp_path, certificates):
    (block,) = re.findall(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    certificate, key = certificates.write_server(tmp_path)
    for theirs, ours in {
        "/etc/nginx/server.pem": certificate,
        "/etc/nginx/server.key": key,
        "listen 443": f"listen 127.0.0.1:{free_port()}",
    }.items():
        assert block.count(theirs) == 1
        block = block.replace(theirs, str(ours))
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off;\n{block} }}")
    command = [program("nginx"), "-t", "-q", "-e", "stderr", "-c", configuration, "-p", tmp_path]
    subprocess.run(command, check=True)


def test_documentation_names_the_files():
    for name in re.findall(r"\(\.\./examples/deployment/([^)]+)\)", PAGE.read_text()):
        assert (DEPLOYMENT / name).exists()
    assert Path(DEPLOYMENT / "zloop_worker.py").read_text().count("zloop:new_event_loop") == 1
