"""Protocols and their factories that raise."""

from __future__ import annotations

import asyncio
import socket

import pytest
from fault_support import BUFFERED_METHODS, METHODS, Buffered, Protocol, connected, exercise, turns


def test_nothing_fails(loop, reports):
    async def main():
        protocol = Protocol()
        await exercise(protocol)
        assert await protocol.lost is None
        assert protocol.calls == [
            "connection_made",
            "data_received",
            "pause_writing",
            "resume_writing",
            "eof_received",
            "connection_lost",
        ]
        await turns(1)

    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize(
    ("method", "made_by", "message"),
    [
        ("data_received", Protocol, "Fatal error: protocol.data_received() call failed."),
        ("eof_received", Protocol, "Fatal error: protocol.eof_received() call failed."),
        ("get_buffer", Buffered, "Fatal error: protocol.get_buffer() call failed."),
        ("buffer_updated", Buffered, "Fatal error: protocol.buffer_updated() call failed."),
    ],
)
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, GeneratorExit])
def test_failures_that_end_the_connection(loop, reports, method, made_by, message, error):
    async def main():
        protocol = made_by(fails_in=method, error=error)
        transport = await exercise(protocol)
        lost = await protocol.lost
        assert isinstance(lost, error)
        assert protocol.calls[-2:] == [method, "connection_lost"]
        await turns(1)
        (report,) = reports
        assert report == {
            "message": message,
            "exception": lost,
            "transport": transport,
            "protocol": protocol,
        }

    loop.run_until_complete(main())


def test_oserror_from_the_protocol_is_not_reported(loop, reports):
    async def main():
        protocol = Protocol(fails_in="data_received", error=ConnectionError)
        await exercise(protocol)
        assert isinstance(await protocol.lost, ConnectionError)
        await turns(1)

    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
def test_failures_of_flow_control_are_reported_alone(loop, reports, method):
    async def main():
        protocol = Protocol(fails_in=method)
        transport = await exercise(protocol)
        assert await protocol.lost is None
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]
        await turns(1)
        (report,) = reports
        assert report["message"] == f"protocol.{method}() failed"
        assert isinstance(report["exception"], ZeroDivisionError)
        assert report["transport"] is transport
        assert report["protocol"] is protocol

    loop.run_until_complete(main())


@pytest.mark.parametrize("method", ["connection_made", "connection_lost"])
def test_failures_at_the_begin_and_the_end_are_reported_alone(loop, reports, method):
    async def main():
        protocol = Protocol(fails_in=method)
        await exercise(protocol)
        assert await protocol.lost is None
        await turns(1)
        assert protocol.calls[0] == "connection_made"
        assert protocol.calls[-1] == "connection_lost"
        assert "data_received" in protocol.calls
        (report,) = reports
        assert report["message"].startswith("Exception in callback ")
        assert isinstance(report["exception"], ZeroDivisionError)

    loop.run_until_complete(main())


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", [*METHODS, *BUFFERED_METHODS])
def test_fatal_exceptions_leave_the_loop(loop, reports, method, fatal):
    async def begin():
        made_by = Buffered if method in BUFFERED_METHODS else Protocol
        return made_by(fails_in=method, error=fatal)

    protocol = loop.run_until_complete(begin())
    exercising = loop.create_task(exercise(protocol))
    with pytest.raises(fatal, match="on purpose"):
        loop.run_forever()
    assert reports == []
    # The loop and the connection go on.
    loop.run_until_complete(asyncio.wait_for(exercising, 30))
    assert loop.run_until_complete(asyncio.wait_for(finish(protocol), 30)) is None
    assert reports == []


async def finish(protocol):
    protocol.transport.abort()
    lost = await protocol.lost
    await turns(1)
    return lost


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_of_pause_writing_leaves_write(loop, fatal):
    async def main():
        protocol = Protocol(fails_in="pause_writing", error=fatal)
        transport, theirs = await connected(protocol)
        caught = []
        try:
            transport.write(b"x" * 1_000_000)
        except BaseException as error:
            caught.append(type(error))
        transport.abort()
        await protocol.lost
        theirs.close()
        assert caught == [fatal]

    loop.run_until_complete(main())


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_factory_of_a_client_raises(zloop_loop, error):
    def fail():
        raise error("on purpose")

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as server:
            await zloop_loop.create_connection(fail, *server.getsockname())

    with pytest.raises(error):
        zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_of_a_servers_factory_leaves_the_loop(zloop_loop, fatal):
    def make():
        if not failed:
            failed.append(True)
            raise fatal("on purpose")
        return Protocol()

    failed = []
    server = zloop_loop.run_until_complete(zloop_loop.create_server(make, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    with socket.create_connection(address) as client:
        with pytest.raises(fatal, match="on purpose"):
            zloop_loop.run_forever()
        client.settimeout(30)
        assert client.recv(1) == b""

    async def greet():
        reader, writer = await asyncio.open_connection(*address)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    zloop_loop.run_until_complete(greet())
