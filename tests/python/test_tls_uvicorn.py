"""uvicorn by HTTPS: its command's options with Python's `ssl`, and its factory of contexts with rustls."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPSConnection

import pytest
from tls_support import CA, CLIENT, SERVER, STRANGER, client_context, encrypted_key

pytest.importorskip("uvicorn")

PATIENCE = 30

APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "http":
        loop = type(asyncio.get_running_loop()).__module__
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": f"{scope['scheme']} {loop}".encode()})
"""

RUN = """
import ssl, sys, uvicorn, zloop

def make_context(config, default):
    context = zloop.uvicorn_ssl_context(config, default)
    print("engine", context.engine.name, flush=True)
    return context

key, cert, authority, password = sys.argv[1:]
uvicorn.run(
    "app:app", port=0, loop="zloop:new_event_loop", lifespan="off", ssl_context_factory=make_context,
    ssl_keyfile=key, ssl_certfile=cert, ssl_ca_certs=authority, ssl_cert_reqs=ssl.CERT_REQUIRED,
    ssl_keyfile_password=password or None,
)
"""

COMMAND = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--lifespan", "off"]
COMMAND += ["--loop", "zloop:new_event_loop"]


@pytest.fixture
def folder(tmp_path):
    """The app, the program, certificates, and a key both plain and encrypted."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "run.py").write_text(RUN)
    CA.cert_pem.write_to_path(tmp_path / "authority.pem")
    SERVER.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    SERVER.private_key_pem.write_to_path(tmp_path / "plain.pem")
    (tmp_path / "encrypted.pem").write_bytes(encrypted_key(b"secret"))
    return tmp_path


@contextmanager
def serving(folder, command):
    """Run a server: its port, and what it wrote until then."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            said = []
            for line in server.stdout:
                said.append(line)
                if " running on " in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield int(line.split("https://127.0.0.1:")[1].split()[0]), "".join(said)
        finally:
            server.send_signal(signal.SIGINT)
            rest, _ = server.communicate(timeout=PATIENCE)
    assert "Traceback" not in rest


def ask(port, shown=None):
    context = client_context()
    if shown is not None:
        shown.configure_cert(context)
    connection = HTTPSConnection("localhost", port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def assert_only_clients_that_are_known_get_in(port):
    assert ask(port, CLIENT) == b"https zloop"
    for shown in None, STRANGER:
        # What a server does not like in TLS 1.3 shows when the answer is awaited.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, shown)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert not plain.recv(100).startswith(b"HTTP")
        except ConnectionResetError:
            pass
    assert ask(port, CLIENT) == b"https zloop"


def options(key, *more):
    return [f"--ssl-keyfile={key}", "--ssl-certfile=cert.pem", *more]


MUTUAL = ["--ssl-ca-certs=authority.pem", f"--ssl-cert-reqs={int(ssl.CERT_REQUIRED)}"]


@pytest.mark.parametrize(
    "given",
    [options("plain.pem"), options("encrypted.pem", "--ssl-keyfile-password=secret")],
    ids=["plain key", "encrypted key"],
)
def test_the_options_of_the_command(folder, given):
    with serving(folder, [*COMMAND, *given, *MUTUAL]) as (port, _):
        assert_only_clients_that_are_known_get_in(port)


def test_clients_need_no_certificate_unless_told_so(folder):
    with serving(folder, [*COMMAND, *options("plain.pem")]) as (port, _):
        assert ask(port) == b"https zloop"


def test_a_wrong_password_ends_the_command(folder):
    command = [*COMMAND, *options("encrypted.pem", "--ssl-keyfile-password=wrong")]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode != 0
    assert "ssl.SSLError" in ended.stderr


@pytest.mark.parametrize(
    ("key", "password", "engine"),
    [("plain.pem", "", "rustls"), ("encrypted.pem", "secret", "ssl")],
    ids=["plain key", "encrypted key"],
)
def test_the_factory_of_contexts(folder, key, password, engine):
    command = [sys.executable, "run.py", key, "cert.pem", "authority.pem", password]
    with serving(folder, command) as (port, said):
        assert f"engine {engine}\n" in said
        assert_only_clients_that_are_known_get_in(port)
