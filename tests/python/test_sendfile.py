"""`sock_sendfile` and `sendfile`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import socket
import ssl

import pytest
import trustme

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def file(tmp_path):
    """A file of one MiB, open for reading."""
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield opened


@pytest.fixture
def pair():
    """Two connected non-blocking TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname())
        right, _ = listener.accept()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


async def receive_all(loop, sock) -> bytes:
    received = bytearray()
    while data := await loop.sock_recv(sock, 65536):
        received += data
    return bytes(received)


@contextlib.asynccontextmanager
async def connection(loop, sock, protocol=asyncio.Protocol):
    """A transport over a socket, closed and gone afterwards."""
    transport, made = await loop.create_connection(protocol, sock=sock)
    try:
        yield transport, made
    finally:
        transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, None, CONTENT),
        (1000, None, CONTENT[1000:]),
        (0, 10, CONTENT[:10]),
        (1000, 700_000, CONTENT[1000:701_000]),
        (len(CONTENT) - 5, 100, CONTENT[-5:]),
        (len(CONTENT), None, b""),
    ],
)
@pytest.mark.parametrize("over", ["socket", "transport"])
@pytest.mark.parametrize("native", [True, False])
def test_files_content_arrives(loop, file, pair, over, native, offset, count, expected):
    left, right = pair
    source = file if native else io.BytesIO(CONTENT)

    async def main():
        receiving = asyncio.create_task(receive_all(loop, right))
        if over == "socket":
            sent = await loop.sock_sendfile(left, source, offset, count)
            left.shutdown(socket.SHUT_WR)
        else:
            async with connection(loop, left) as (transport, protocol):
                sent = await loop.sendfile(transport, source, offset, count)
                assert transport.get_protocol() is protocol
                assert transport.is_reading()
                transport.write_eof()
                assert await receiving == expected
        assert sent == len(expected)
        assert await receiving == expected
        if sent:
            assert source.tell() == offset + sent

    loop.run_until_complete(main())


@pytest.mark.parametrize("native", [True, False])
def test_what_was_written_before_goes_first(loop, file, pair, native):
    left, right = pair
    source = file if native else io.BytesIO(CONTENT)
    before = b"before" * 300_000

    async def main():
        receiving = asyncio.create_task(receive_all(loop, right))
        async with connection(loop, left) as (transport, _):
            transport.write(before)
            assert await loop.sendfile(transport, source) == len(CONTENT)
            transport.write(b"after")
            transport.write_eof()
            assert await receiving == before + CONTENT + b"after"

    loop.run_until_complete(main())


def test_paused_protocol_is_resumed(loop, file, pair):
    left, right = pair

    class Writer(asyncio.Protocol):
        def __init__(self):
            self.events = []

        def pause_writing(self):
            self.events.append("pause")

        def resume_writing(self):
            self.events.append("resume")

    async def main():
        async with connection(loop, left, Writer) as (transport, protocol):
            transport.write(bytes(1 << 23))
            assert protocol.events == ["pause"]
            sending = asyncio.create_task(loop.sendfile(transport, file))
            await asyncio.sleep(0)
            receiving = asyncio.create_task(receive_all(loop, right))
            await sending
            assert protocol.events == ["pause", "resume"]
            transport.write_eof()
            assert len(await receiving) == (1 << 23) + len(CONTENT)

    loop.run_until_complete(main())


def test_nothing_is_written_in_between(loop, file, pair):
    left, right = pair

    async def main():
        async with connection(loop, left) as (transport, _):
            sending = asyncio.create_task(loop.sendfile(transport, file))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="sendfile is in progress"):
                transport.write(b"x")
            receiving = asyncio.create_task(receive_all(loop, right))
            await sending
            transport.write_eof()
            assert await receiving == CONTENT

    loop.run_until_complete(main())


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("end", ["abort", "peer"])
def test_lost_connection_ends_the_sending(zloop_loop, tmp_path, pair, native, end):
    left, right = pair
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(1 << 26)
    lost = []

    class Protocol(asyncio.Protocol):
        def connection_lost(self, exc):
            lost.append(exc)

    async def main():
        with path.open("rb") as opened:
            source = opened if native else io.BytesIO(bytes(1 << 26))
            async with connection(zloop_loop, left, Protocol) as (transport, _):
                sending = asyncio.create_task(zloop_loop.sendfile(transport, source))
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not sending.done()
                if end == "abort":
                    transport.abort()
                else:
                    right.close()
                with pytest.raises(OSError, match=r".") as raised:
                    await sending
                assert isinstance(raised.value, ConnectionError)
        assert len(lost) == 1

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("over", ["socket", "transport"])
def test_cancelled_sending_leaves_the_position_behind_what_was_sent(zloop_loop, file, pair, over):
    left, right = pair
    left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    right.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def cancel(sending):
        for _ in range(20):
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    async def main():
        if over == "socket":
            await cancel(asyncio.create_task(zloop_loop.sock_sendfile(left, file)))
            left.close()
        else:
            async with connection(zloop_loop, left) as (transport, protocol):
                await cancel(asyncio.create_task(zloop_loop.sendfile(transport, file)))
                assert transport.get_protocol() is protocol
                transport.close()
                await asyncio.sleep(0)
        received = await receive_all(zloop_loop, right)
        assert 0 < len(received) < len(CONTENT)
        assert file.tell() == len(received)
        assert received == CONTENT[: len(received)]

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("over", ["socket", "transport"])
def test_without_fallback(loop, pair, over):
    left, _ = pair
    message = r"^not a regular file$"

    async def main():
        if over == "socket":
            with pytest.raises(asyncio.SendfileNotAvailableError, match=message):
                await loop.sock_sendfile(left, io.BytesIO(CONTENT), fallback=False)
        else:
            async with connection(loop, left) as (transport, _):
                with pytest.raises(asyncio.SendfileNotAvailableError, match=message):
                    await loop.sendfile(transport, io.BytesIO(CONTENT), fallback=False)

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("offset", "count", "error", "message"),
    [
        (0, 0, ValueError, "count must be a positive integer (got 0)"),
        (0, -1, ValueError, "count must be a positive integer (got -1)"),
        (0, 1.5, TypeError, "count must be a positive integer (got 1.5)"),
        (-1, None, ValueError, "offset must be a non-negative integer (got -1)"),
        ("x", None, TypeError, "offset must be a non-negative integer (got 'x')"),
    ],
)
def test_wrong_numbers(loop, file, pair, offset, count, error, message):
    left, _ = pair
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        loop.run_until_complete(loop.sock_sendfile(left, file, offset, count))


def test_wrong_files_and_sockets(loop, file, tmp_path, pair):
    left, _ = pair
    with (
        (tmp_path / "content").open() as text,
        pytest.raises(ValueError, match=r"^file should be opened in binary mode$"),
    ):
        loop.run_until_complete(loop.sock_sendfile(left, text))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.setblocking(False)
        message = r"^only SOCK_STREAM type sockets are supported$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.sock_sendfile(datagram, file))
    left.setblocking(True)
    loop.set_debug(True)
    with pytest.raises(ValueError, match=r"^the socket must be non-blocking$"):
        loop.run_until_complete(loop.sock_sendfile(left, file))


@pytest.mark.parametrize("over", ["socket", "transport"])
def test_an_offset_needs_a_file_that_seeks(zloop_loop, pair, over):
    loop, (left, right) = zloop_loop, pair

    class Unseekable:
        readinto = io.BytesIO(CONTENT).readinto

    async def main():
        with pytest.raises(AttributeError, match="seek"):
            if over == "socket":
                await loop.sock_sendfile(left, Unseekable(), 1)
            else:
                async with connection(loop, left) as (transport, _):
                    await loop.sendfile(transport, Unseekable(), 1)
        left.close()
        assert await receive_all(loop, right) == b""

    loop.run_until_complete(main())


def test_wrong_transports(loop, file, pair):
    left, _ = pair

    class Other(asyncio.WriteTransport):
        def is_closing(self):
            return False

    async def main():
        with pytest.raises(RuntimeError, match=r"^sendfile is not supported for transport <"):
            await loop.sendfile(Other(), file)
        async with connection(loop, left) as (transport, _):
            transport.close()
            with pytest.raises(RuntimeError, match=r"^Transport is closing$"):
                await loop.sendfile(transport, file)

    loop.run_until_complete(main())


def test_a_second_one_at_a_time_is_refused(zloop_loop, pair, file):
    left, _ = pair

    async def main():
        async with connection(zloop_loop, left) as (transport, _protocol):
            first = asyncio.create_task(zloop_loop.sendfile(transport, file))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="^Empty waiter is already set$"):
                await zloop_loop.sendfile(transport, file)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    zloop_loop.run_until_complete(main())


def test_over_tls_by_the_fallback(loop, file):
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)

    async def main():
        received = loop.create_future()

        async def serve(reader, writer):
            received.set_result(await reader.read())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "localhost", 0, ssl=server_context)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("localhost", port, ssl=client_context)
        message = r"^fallback is disabled and native sendfile is not supported for transport <"
        with pytest.raises(RuntimeError, match=message):
            await loop.sendfile(writer.transport, file, fallback=False)
        assert await loop.sendfile(writer.transport, file) == len(CONTENT)
        # The fallback takes 0 for no limit.
        file.seek(0)
        assert await loop.sendfile(writer.transport, file, 0, 0) == len(CONTENT)
        writer.close()
        assert await received == CONTENT * 2
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())
