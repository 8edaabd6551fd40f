"""What goes wrong on a TLS connection that is made: in each direction, and by both engines."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import suppress

import pytest
from conftest import closing
from tls_support import (
    ENGINES,
    LIMIT,
    RawPeer,
    Recorder,
    accept,
    client_context,
    connect,
    dial,
    listen,
    meet,
    serve,
    server_context,
)

import zloop

DATA = bytes(range(256)) * 80


class Producer(Recorder):
    """Also keeps what it is told of flow control."""

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")


@pytest.fixture
def run(loop):
    """Run a test to its end, after which nothing may run on or have been reported."""
    reports = []
    loop.set_exception_handler(lambda _, report: reports.append(report))

    async def whole(coroutine):
        await asyncio.wait_for(coroutine, LIMIT)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def run(coroutine):
        loop.run_until_complete(whole(coroutine))
        assert not reports

    return run


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


@pytest.fixture(params=["client", "server"])
def role(request):
    """Which side is ours."""
    return request.param


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def version(request):
    return ssl.TLSVersion[request.param]


def send_at_once(peer, data):
    """Send bytes and FIN in as few segments as they fit in."""
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    peer.sock.sendall(data)
    peer.finish()


def send_and_wait(peer):
    """Send the data, and stay until the other side ends the connection."""
    with suppress(OSError, EOFError):
        peer.sock.sendall(peer.encrypted(DATA))
        peer.receive()


def is_zloop():
    return isinstance(asyncio.get_running_loop(), zloop.Loop)


def is_forgiven(error):
    """Whether closing failed at most as asyncio's does while the peer still sends."""
    if is_zloop():
        return error is None
    return error is None or error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"


def end_politely(peer):
    """Read to the other side's end, and answer it, if it is there to hear."""
    with suppress(OSError, EOFError):
        while peer.receive():
            pass
        peer.sock.sendall(peer.close_notify())
        peer.finish()


def test_fin_without_close_notify(run, role, engine, version):
    async def main():
        def talk(peer):
            send_at_once(peer, peer.encrypted(DATA))

        ours, thread = await meet(role, engine, talk, version=version)
        assert await ours.lost is None
        assert ours.data == DATA
        assert ours.told == ["made", "eof", "lost"]
        await thread

    run(main())


def test_data_close_notify_and_fin_in_one_segment(run, role, engine, version):
    async def main():
        def talk(peer):
            send_at_once(peer, peer.encrypted(DATA) + peer.close_notify())

        ours, thread = await meet(role, engine, talk, version=version)
        assert await ours.lost is None
        assert ours.data == DATA
        assert ours.told == ["made", "eof", "lost"]
        await thread

    run(main())


def test_bytes_after_close_notify_are_not_looked_at(run, role, engine):
    async def main():
        def talk(peer):
            send_at_once(peer, peer.encrypted(DATA) + peer.close_notify() + b"no TLS" * 1000)

        ours, thread = await meet(role, engine, talk)
        assert await ours.lost is None
        assert ours.data == DATA
        assert ours.told == ["made", "eof", "lost"]
        await thread

    run(main())


def test_data_before_a_reset_is_delivered(run, role, engine):
    async def main():
        gone = threading.Event()

        def talk(peer):
            peer.sock.sendall(peer.encrypted(DATA))
            peer.reset()
            gone.set()

        ours, thread = await meet(role, engine, talk)
        # Both have come before the loop looks.
        gone.wait(LIMIT)
        assert isinstance(await ours.lost, ConnectionResetError)
        assert ours.data == DATA
        assert ours.told == ["made", "lost"]
        await thread

    run(main())


def test_garbage_behind_data(run, role, engine):
    async def main():
        def talk(peer):
            peer.sock.sendall(peer.encrypted(DATA) + b"this is no TLS, is it?")
            peer.sock.recv(65536)

        ours, thread = await meet(role, engine, talk)
        error = await ours.lost
        assert isinstance(error, ssl.SSLError)
        assert not isinstance(error, ssl.SSLCertVerificationError)
        # asyncio drops what it decrypted before it met the fault.
        assert ours.data == DATA or (not is_zloop() and not ours.data)
        assert ours.told == ["made", "lost"]
        await thread

    run(main())


def test_a_record_that_was_changed_on_the_way(run, role, engine, version):
    async def main():
        def talk(peer):
            record = bytearray(peer.encrypted(b"changed"))
            record[-1] ^= 1
            peer.sock.sendall(record)
            peer.sock.recv(65536)

        ours, thread = await meet(role, engine, talk, version=version)
        error = await ours.lost
        assert isinstance(error, ssl.SSLError)
        # Newer releases of OpenSSL have the second name for it.
        assert error.reason in {"DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "RECORD_LAYER_FAILURE"}
        assert ours.data == b""
        await thread

    run(main())


def test_garbage_in_one_piece_with_the_end_of_the_handshake(run, engine, version):
    async def main():
        listener, address = listen(None)
        context = server_context()
        context.maximum_version = version

        def talk():
            with accept(listener) as sock:
                RawPeer(sock, context, True).handshake(b"this is no TLS, is it?")
                with suppress(OSError):
                    sock.recv(65536)

        with listener:
            thread = asyncio.create_task(asyncio.to_thread(talk))
            client = await connect(address, Recorder, client_context(engine))
            assert isinstance(await client.lost, ssl.SSLError)
            assert client.told == ["made", "lost"]
            await thread

    run(main())


@pytest.mark.parametrize("leaves", ["FIN", "RST", "close_notify"])
def test_a_peer_that_leaves_after_the_handshake(run, role, engine, version, leaves):
    async def main():
        def talk(peer):
            if leaves == "RST":
                peer.reset()
            else:
                send_at_once(peer, peer.close_notify() if leaves == "close_notify" else b"")

        ours, thread = await meet(role, engine, talk, version=version)
        error = await ours.lost
        assert isinstance(error, ConnectionResetError) if leaves == "RST" else error is None
        await thread

    run(main())


def test_data_after_our_close_is_thrown_away(run, role, engine):
    async def main():
        def talk(peer):
            assert peer.receive() == b"", "our close_notify"
            with suppress(OSError):
                for _ in range(5):
                    peer.sock.sendall(peer.encrypted(DATA))
            end_politely(peer)

        ours, thread = await meet(role, engine, talk)
        ours.transport.close()
        assert is_forgiven(await ours.lost)
        assert ours.data == b""
        assert ours.told[0] == "made"
        assert ours.told[-1] == "lost"
        await thread

    run(main())


def test_a_peer_that_goes_on_writing_after_our_close_is_given_up(run, role, engine, version):
    """With the error that asyncio has from its first byte on."""

    async def main():
        def talk(peer):
            assert peer.receive() == b"", "our close_notify"
            with pytest.raises(OSError):
                while True:
                    peer.sock.sendall(peer.encrypted(bytes(10_000)))

        ours, thread = await meet(role, engine, talk, version=version)
        ours.transport.close()
        error = await ours.lost
        assert isinstance(error, ssl.SSLError)
        assert error.library == "SSL"
        assert error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
        assert error.args[0] == ssl.SSL_ERROR_SSL
        start = "[SSL: APPLICATION_DATA_AFTER_CLOSE_NOTIFY] application data after close notify"
        assert str(error).startswith(start)
        assert ours.data == b""
        assert ours.told == ["made", "lost"]
        await thread

    run(main())


def test_the_answer_to_our_close_is_the_peers_end(run, role, engine, version):
    async def main():
        def talk(peer):
            assert peer.receive() == b"", "our close_notify"
            peer.sock.sendall(peer.close_notify())
            with suppress(OSError):
                peer.sock.recv(65536)

        ours, thread = await meet(role, engine, talk, version=version)
        ours.transport.close()
        assert await ours.lost is None
        assert ours.told == ["made", "eof", "lost"]
        await thread

    run(main())


def test_reading_is_paused_at_the_end(run, role, engine):
    async def main():
        gone = threading.Event()

        def talk(peer):
            assert peer.receive() == b"go"
            peer.sock.sendall(peer.encrypted(DATA) + peer.close_notify())
            peer.sock.shutdown(socket.SHUT_WR)
            gone.set()
            while peer.sock.recv(65536):
                pass

        ours, thread = await meet(role, engine, talk)
        ours.transport.pause_reading()
        ours.transport.write(b"go")
        await asyncio.to_thread(gone.wait, LIMIT)
        for _ in range(10):
            await asyncio.sleep(0)
        assert ours.told == ["made"]
        assert not ours.data
        ours.transport.resume_reading()
        assert await ours.lost is None
        assert ours.data == DATA
        assert ours.told == ["made", "eof", "lost"]
        await thread

    run(main())


def test_closing_while_reading_is_paused(run, role, engine):
    async def main():
        def talk(peer):
            peer.sock.sendall(peer.encrypted(DATA))
            end_politely(peer)

        ours, thread = await meet(role, engine, talk)
        ours.transport.pause_reading()
        ours.transport.write(b"bye")
        ours.transport.close()
        assert is_forgiven(await ours.lost)
        assert not ours.data
        await thread

    run(main())


async def hold_back(ours, count):
    """Have that many bytes of ciphertext wait in the transport, reading being paused."""
    ours.transport.pause_reading()
    while ours.transport.get_read_buffer_size() < count:
        await asyncio.sleep(0.001)


def test_what_came_before_close_is_still_delivered(run, role, engine, version):
    async def main():
        def talk(peer):
            peer.sock.sendall(peer.encrypted(DATA))
            assert peer.receive() == b"", "our close_notify"
            end_politely(peer)

        ours, thread = await meet(role, engine, talk, version=version)
        await hold_back(ours, len(DATA))
        ours.transport.resume_reading()
        ours.transport.close()
        assert ours.data == DATA, "within the call"
        assert await ours.lost is None
        assert ours.told == ["made", "eof", "lost"]
        await thread

    run(main())


def test_nothing_is_delivered_by_close_while_reading_is_paused(run, role, engine):
    async def main():
        def talk(peer):
            peer.sock.sendall(peer.encrypted(DATA))
            with suppress(OSError):
                end_politely(peer)

        ours, thread = await meet(role, engine, talk)
        await hold_back(ours, len(DATA))
        ours.transport.close()
        assert is_forgiven(await ours.lost)
        assert not ours.data
        await thread

    run(main())


def test_closing_on_the_first_data_ends_the_delivery(run, role, engine):
    class Closing(Recorder):
        inside = False

        def data_received(self, data):
            assert not self.inside, "close() calls back into the protocol that calls it"
            self.inside = True
            super().data_received(data)
            self.transport.close()
            self.inside = False

    async def main():
        def talk(peer):
            peer.sock.sendall(peer.encrypted(DATA) + peer.close_notify())
            with suppress(OSError):
                peer.finish()

        ours, thread = await meet(role, engine, talk, Closing)
        assert is_forgiven(await ours.lost)
        assert DATA.startswith(ours.data)
        await thread

    run(main())


def test_an_exception_of_what_close_delivers_ends_the_connection(loop, role, engine):
    class Failing(Recorder):
        def data_received(self, data):
            raise ZeroDivisionError

    async def main():
        ours, thread = await meet(role, engine, send_and_wait, Failing)
        await hold_back(ours, len(DATA))
        ours.transport.resume_reading()
        ours.transport.close()
        assert isinstance(await ours.lost, ZeroDivisionError)
        await thread

    reports = []
    loop.set_exception_handler(lambda _, report: reports.append(report["message"]))
    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    assert reports == ["Fatal error on SSL protocol"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ZeroDivisionError, "Fatal error on SSL protocol"),
        (asyncio.CancelledError, "Fatal error: protocol.buffer_updated() call failed."),
        (GeneratorExit, "Fatal error: protocol.buffer_updated() call failed."),
    ],
)
def test_whatever_data_received_raises_is_reported(loop, role, engine, error, message):
    class Failing(Recorder):
        def data_received(self, data):
            raise error

    async def main():
        ours, thread = await meet(role, engine, send_and_wait, Failing)
        assert type(await ours.lost) is error
        await thread

    reports = []
    loop.set_exception_handler(lambda _, report: reports.append(report))
    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    assert [(type(report["exception"]), report["message"]) for report in reports] == [
        (error, message)
    ]


def test_close_sends_megabytes_first(run, role, engine):
    async def main():
        received = []
        closed = threading.Event()

        def talk(peer):
            closed.wait(LIMIT)
            while data := peer.receive():
                received.append(len(data))
            peer.sock.sendall(peer.close_notify())
            peer.finish()

        ours, thread = await meet(role, engine, talk, Producer)
        for _ in range(16):
            ours.transport.write(bytes(1_000_000))
        assert "pause" in ours.told
        ours.transport.close()
        ours.transport.write(b"too late")
        closed.set()
        assert await ours.lost is None
        await thread
        assert sum(received) == 16_000_000

    run(main())


def test_abort_drops_megabytes(run, role, engine):
    async def main():
        received = []
        lost = threading.Event()

        def talk(peer):
            lost.wait(LIMIT)
            with pytest.raises((EOFError, ConnectionResetError)):
                while True:
                    received.append(len(peer.receive()))

        ours, thread = await meet(role, engine, talk, Producer)
        for _ in range(8):
            ours.transport.write(bytes(2_000_000))
        ours.transport.abort()
        assert await ours.lost is None
        assert ours.told[-1] == "lost"
        lost.set()
        await thread
        assert sum(received) < 16_000_000

    run(main())


# asyncio's own loop now and then sends only a part, and then waits for ever.
@pytest.mark.parametrize("loop_factory", ["zloop"], indirect=True)
def test_what_the_peer_did_not_read_yet_is_sent_after_its_end(run, role, engine):
    """The peer ends its direction while much is on its way to it, and reads it all the same."""

    async def main():
        received = []

        def talk(peer):
            peer.sock.sendall(peer.encrypted(b"all, please") + peer.close_notify())
            while data := peer.receive():
                received.append(len(data))
            peer.finish()

        class Sender(Recorder):
            def data_received(self, data):
                super().data_received(data)
                if self.data == b"all, please":
                    for _ in range(8):
                        self.transport.write(bytes(1_000_000))

        ours, thread = await meet(role, engine, talk, Sender)
        assert await ours.lost is None
        assert ours.told == ["made", "eof", "lost"]
        await thread
        assert sum(received) == 8_000_000

    run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes(200),
        b"\x16\x03\x03\x00\x05hello",
        b"\x15\x03\x01",
    ],
    ids=["http", "zeros", "record", "part"],
)
def test_a_server_that_speaks_no_tls(run, engine, answer):
    async def main():
        listener, address = listen(None)

        def talk():
            with accept(listener) as sock:
                sock.recv(65536)
                sock.sendall(answer)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass

        with listener:
            thread = asyncio.create_task(asyncio.to_thread(talk))
            with pytest.raises((ssl.SSLError, ConnectionResetError)) as raised:
                await connect(address, Recorder, client_context(engine))
            is_cut = answer == b"\x15\x03\x01"
            assert isinstance(raised.value, ssl.SSLError) is not is_cut
            await thread

    run(main())


def test_a_client_that_writes_without_end_does_not_hold_up_closing(run, engine):
    """It takes no notice of our close_notify."""

    async def main():
        def talk(peer):
            with pytest.raises(OSError):
                while True:
                    peer.sock.sendall(peer.encrypted(bytes(100_000)))

        ours, thread = await meet("server", engine, talk)
        while len(ours.data) < 1_000_000:
            await asyncio.sleep(0)
        ours.transport.close()
        await ours.lost
        await thread

    run(main())


def test_connections_that_wait_when_the_loop_ends(engine):
    """Nothing stays open of a loop that is closed with handshakes under way."""
    with closing(zloop.new_event_loop()) as loop:

        async def main():
            server, address = await serve(None, Recorder, server_context(engine))
            sockets = [dial(address) for _ in range(5)]
            for sock in sockets:
                sock.sendall(b"\x16\x03\x01")
            await asyncio.sleep(0.01)
            server.close()
            for sock in sockets:
                sock.close()
            await asyncio.sleep(0.01)

        loop.run_until_complete(main())
