"""What the engine tells comes out of Python's logging, when asked for."""

import asyncio
import logging
import socket
import subprocess
import sys
import threading

import pytest
from conftest import closing
from tls_support import ENGINES, client_context, server_context

import zloop

OWN = ("zloop.core", "zloop.net", "zloop.tls", "zloop.loop")


@pytest.fixture(autouse=True)
def silence_afterwards():
    yield
    zloop.disable_tracing()


@pytest.fixture
def loop():
    with closing(zloop.new_event_loop()) as made:
        yield made


@pytest.fixture
def records(caplog):
    """What was logged by the engine's loggers, all of it."""
    caplog.set_level(1)
    return lambda: [record for record in caplog.records if record.name in OWN]


def messages(records):
    return [record.getMessage() for record in records]


async def _exchange(server_tls=None, client_tls=None):
    async def answer(reader, writer):
        writer.write(await reader.readexactly(5))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_tls)
    reader, writer = await asyncio.open_connection(
        *server.sockets[0].getsockname(),
        ssl=client_tls,
        server_hostname="localhost" if client_tls else None,
    )
    writer.write(b"hello")
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_silent_until_asked(loop, records):
    loop.run_until_complete(_exchange())
    assert records() == []


def test_a_connection_is_told(loop, records):
    zloop.enable_tracing()
    loop.run_until_complete(_exchange())
    told = [(record.name, record.getMessage().partition(" fd=")[0]) for record in records()]
    for expected in [
        ("zloop.loop", "running"),
        ("zloop.loop", "connection made"),
        ("zloop.net", "the peer ended its direction"),
        ("zloop.loop", "connection lost"),
        ("zloop.loop", "stopped running failed=false"),
    ]:
        assert expected in told
    assert any(message.startswith("accepted listener=") for _, message in told)
    assert {record.levelno for record in records()} == {logging.DEBUG}


def test_records_say_where_and_when(loop, records):
    zloop.enable_tracing()
    loop.run_until_complete(asyncio.sleep(0))
    record = records()[0]
    assert (record.name, record.getMessage()) == ("zloop.loop", "running")
    assert record.pathname.endswith("turn.rs")
    assert record.lineno > 0
    assert record.thread == threading.get_ident()
    assert record.threadName == threading.current_thread().name
    assert sorted(each.created for each in records()) == [each.created for each in records()]


@pytest.mark.parametrize("kind", ENGINES.values(), ids=ENGINES)
def test_a_handshake_is_told(loop, records, kind):
    zloop.enable_tracing()
    loop.run_until_complete(_exchange(server_context(kind), client_context(kind)))
    told = [each.getMessage() for each in records() if each.name == "zloop.tls"]
    done = [message for message in told if message.startswith("handshake done")]
    assert len(done) == 2
    assert all("version=TLSv1.3" in message and "cipher=TLS_" in message for message in done)
    assert "the peer ended ending=CloseNotify" in told


def test_a_failed_handshake_is_told(loop, records):
    async def main():
        context = server_context(zloop.SSLContext)
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=context)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        while not any(message.startswith("failed") for message in messages(records())):
            await asyncio.sleep(0.01)
        writer.close()
        server.close()

    loop.set_exception_handler(lambda *_: None)
    zloop.enable_tracing()
    loop.run_until_complete(main())
    told = [each.getMessage() for each in records() if each.name == "zloop.tls"]
    assert any(message.startswith("failed error=") for message in told)


def test_levels(loop, records):
    zloop.enable_tracing("TRACE")
    loop.run_until_complete(_exchange())
    told = records()
    assert {record.levelno for record in told} == {5, logging.DEBUG}
    assert {record.levelname for record in told} == {"TRACE", "DEBUG"}
    assert any(message.startswith("polled timeout=") for message in messages(told))
    assert any(message.startswith("add fd=") for message in messages(told))
    zloop.enable_tracing(logging.WARNING)
    before = len(records())
    loop.run_until_complete(_exchange())
    assert len(records()) == before
    zloop.enable_tracing("debug")
    loop.run_until_complete(_exchange())
    assert len(records()) > before


def test_off_again(loop, records):
    zloop.enable_tracing()
    loop.run_until_complete(_exchange())
    zloop.disable_tracing()
    before = len(records())
    assert before > 0
    loop.run_until_complete(_exchange())
    assert len(records()) == before


@pytest.mark.parametrize(
    ("level", "error"),
    [("LOUD", ValueError), (None, TypeError), (1.5, TypeError), (True, TypeError)],
)
def test_levels_that_there_are_not(level, error):
    with pytest.raises(error):
        zloop.enable_tracing(level)


class Handler(logging.Handler):
    """Does something with each record, without `logging`'s guard against exceptions."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def handle(self, record):
        self.act(record)
        return True


@pytest.fixture
def handle():
    """Lets a test act on each record of the engine."""
    logger = logging.getLogger("zloop")
    handlers = []

    def add(act):
        handler = Handler(act)
        handlers.append(handler)
        logger.addHandler(handler)
        logger.setLevel(1)

    yield add
    logger.setLevel(logging.NOTSET)
    for handler in handlers:
        logger.removeHandler(handler)


def test_a_handler_that_raises_stops_nothing(loop, handle, monkeypatch):
    def fail(record):
        seen.append(record)
        raise ValueError("no room")

    seen, raised = [], []
    monkeypatch.setattr("sys.unraisablehook", lambda report: raised.append(report.exc_value))
    handle(fail)
    zloop.enable_tracing()
    loop.run_until_complete(_exchange())
    assert len(seen) > 5
    assert len(raised) == len(seen)
    assert {str(error) for error in raised} == {"no room"}


def test_an_interrupt_in_a_handler_ends_the_run_and_loses_nothing(loop, handle):
    def interrupt(record):
        told.append(record.getMessage())
        if len(told) == 1:
            raise KeyboardInterrupt

    told = []
    handle(interrupt)
    zloop.enable_tracing()
    loop.call_soon(loop.stop)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()
    ended = ["stopped running failed=true", "stopped running failed=false"]
    assert told == ["running", ended[0], "running", ended[1]]


def test_a_handler_may_use_the_loop_that_told(loop, handle):
    def use(record):
        near, far = socket.socketpair()
        with near, far:
            loop.add_reader(near, print)
            loop.remove_reader(near)
        loop.call_soon(print)
        zloop.new_event_loop().close()
        loop.metrics()
        told.append(record.getMessage())

    told = []
    handle(use)
    zloop.enable_tracing("TRACE")
    loop.run_until_complete(_exchange())
    zloop.disable_tracing()
    # Its own registrations are not told, or there would be no end.
    assert len(told) < 500
    assert any(message.startswith("accepted") for message in told)


def test_events_of_other_threads(records):
    zloop.enable_tracing()

    def run():
        with closing(zloop.new_event_loop()) as loop:
            loop.run_until_complete(_exchange())

    threads = [threading.Thread(target=run, name=f"looping {number}") for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    zloop.disable_tracing()
    told = records()
    by_thread = dict.fromkeys(("looping 0", "looping 1", "looping 2"), 0)
    for record in told:
        if record.getMessage().startswith("connection made"):
            by_thread[record.threadName] += 1
    assert by_thread == {"looping 0": 2, "looping 1": 2, "looping 2": 2}


def test_events_that_no_loop_delivers_are_bounded(records):
    zloop.enable_tracing("TRACE")
    loop = zloop.new_event_loop()
    near, far = socket.socketpair()
    with near, far:
        for _ in range(6000):
            loop.add_reader(near, print)
            loop.remove_reader(near)
    loop.close()
    told = messages(records())
    assert len(told) == 10_001
    assert told[-1].endswith("events were lost: no loop delivered them in time")


def test_a_program_that_traces_ends_in_peace():
    program = (
        "import asyncio, logging, sys, zloop\n"
        "logging.basicConfig(level=1, stream=sys.stdout)\n"
        "zloop.enable_tracing('TRACE')\n"
        "zloop.run(asyncio.sleep(0.01))\n"
        "loop = zloop.new_event_loop()\n"
        "loop.add_reader(0, print)\n"
        "loop.remove_reader(0)\n"
        "loop.close()\n"
    )
    command = [sys.executable, "-X", "dev", "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=50, stdin=subprocess.PIPE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "TRACE:zloop.core:polled timeout=" in done.stdout
