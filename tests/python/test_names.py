"""`getaddrinfo` and `getnameinfo`, compared with the socket module's."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading

import pytest

LITERALS = [
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "::1",
    "::",
    "2001:db8:0:0::1",
    "::ffff:127.0.0.1",
    "fe80::1",
    b"127.0.0.1",
    b"::1",
    None,
]
NOT_QUITE_LITERALS = ["127.1", "0x7f.1", "127.0.0.01", "::1%lo", "", "1"]
PORTS = [None, 0, 80, 65535, 65536, -1, "443", b"443", "", True]
FAMILIES = [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET]
PROTOCOLS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP]
FLAGS = [
    0,
    socket.AI_PASSIVE,
    socket.AI_NUMERICHOST,
    socket.AI_NUMERICSERV,
    socket.AI_CANONNAME,
    socket.AI_ADDRCONFIG,
    socket.AI_V4MAPPED | socket.AI_ALL,
    socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE,
]


def outcome_of_socket(host, port, **options):
    try:
        return socket.getaddrinfo(host, port, **options)
    except Exception as error:
        return type(error), error.args


async def outcome_of_loop(loop, host, port, **options):
    try:
        return await loop.getaddrinfo(host, port, **options)
    except Exception as error:
        return type(error), error.args


def resolver_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("zloop-resolver")]


@pytest.mark.parametrize("host", LITERALS)
def test_literals_are_answered_as_the_socket_module_does(zloop_loop, host):
    async def compare():
        different = []
        for port, family, type_, proto, flags in itertools.product(
            PORTS, FAMILIES, TYPES, PROTOCOLS, FLAGS
        ):
            options = {"family": family, "type": type_, "proto": proto, "flags": flags}
            expected = outcome_of_socket(host, port, **options)
            if await outcome_of_loop(zloop_loop, host, port, **options) != expected:
                different.append((port, options))
        return different

    assert zloop_loop.run_until_complete(compare()) == []
    assert resolver_threads() == []


@pytest.mark.parametrize("host", NOT_QUITE_LITERALS)
@pytest.mark.parametrize("flags", [0, socket.AI_NUMERICHOST])
def test_what_is_no_literal_is_left_to_the_socket_module(zloop_loop, host, flags):
    for port, type_ in itertools.product((80, "80", None), (0, socket.SOCK_STREAM)):
        expected = outcome_of_socket(host, port, type=type_, flags=flags)
        found = zloop_loop.run_until_complete(
            outcome_of_loop(zloop_loop, host, port, type=type_, flags=flags)
        )
        assert found == expected


def test_names_and_services(loop):
    for host, port in (("localhost", 80), ("localhost", "http"), ("127.0.0.1", "http")):
        expected = outcome_of_socket(host, port, type=socket.SOCK_STREAM)
        found = loop.run_until_complete(outcome_of_loop(loop, host, port, type=socket.SOCK_STREAM))
        assert found == expected


@pytest.mark.parametrize("host", [1.5, ("127.0.0.1",), "127.0.0.1\0", "\udc80"])
def test_wrong_hosts(loop, host):
    found = loop.run_until_complete(outcome_of_loop(loop, host, 80))
    assert found == outcome_of_socket(host, 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "a.name"])
def test_patched_socket_module_is_honoured(loop, monkeypatch, host):
    asked = []

    def answer(*question):
        asked.append(question)
        return "the answer"

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    question = loop.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    assert loop.run_until_complete(question) == "the answer"
    assert asked == [(host, 80, 0, socket.SOCK_STREAM, 0, 0)]


def test_getnameinfo(loop):
    address = ("127.0.0.1", 80)
    for flags in (socket.NI_NUMERICHOST | socket.NI_NUMERICSERV, socket.NI_NUMERICHOST):
        found = loop.run_until_complete(loop.getnameinfo(address, flags))
        assert found == socket.getnameinfo(address, flags)


def test_getnameinfo_refuses_names(loop):
    with pytest.raises(socket.gaierror):
        loop.run_until_complete(loop.getnameinfo(("localhost", 80)))


def test_debug_mode_logs_questions(loop, caplog):
    caplog.set_level(logging.DEBUG, logger="asyncio")
    loop.set_debug(True)
    question = loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    answer = loop.run_until_complete(question)
    asked, answered = (
        record.getMessage() for record in caplog.records if "ddress info" in record.getMessage()
    )
    kind = f"type={socket.SOCK_STREAM!r}"
    assert asked == f"Get address info 127.0.0.1:80, {kind}"
    assert answered.startswith(f"Getting address info 127.0.0.1:80, {kind} took ")
    assert answered.endswith(f"ms: {answer!r}")


def test_no_names_after_shutdown(loop):
    async def main():
        await loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            await loop.getaddrinfo("localhost", 80)
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            await loop.getaddrinfo("127.0.0.1", 80)
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            await loop.getnameinfo(("127.0.0.1", 80))

    loop.run_until_complete(main())


def test_resolver_ends_with_the_loop(zloop_loop):
    zloop_loop.run_until_complete(zloop_loop.getaddrinfo("localhost", 80))
    assert len(resolver_threads()) == 1
    zloop_loop.run_until_complete(zloop_loop.shutdown_default_executor())
    assert resolver_threads() == []


@pytest.mark.parametrize("host", ["127.0.0.1\0.example", "localhost\0", "\0", "::1\0"])
def test_a_name_does_not_end_at_a_null_character(loop, host):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(ValueError, match=r"^embedded null character$"):
                await loop.create_connection(asyncio.Protocol, host, port)
        with pytest.raises(ValueError, match=r"^embedded null character$"):
            await loop.create_server(asyncio.Protocol, host, 0)

    loop.run_until_complete(main())
