"""AnyIO on zloop: TCP, UDP, Unix sockets, TLS, processes, threads, signals, files."""

import asyncio
import contextlib
import os
import signal
import ssl
import sys
import threading

import anyio
import pytest
from anyio import from_thread, to_thread
from anyio.streams.tls import TLSListener, TLSStream

import zloop

LARGE = os.urandom(1 << 16) * 16


async def echo(stream):
    async with stream:
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                await stream.send(await stream.receive())


async def send_and_receive(stream):
    """Sends much and receives as much, both at once."""
    received = bytearray()
    async with stream, anyio.create_task_group() as group:
        group.start_soon(stream.send, LARGE)
        while len(received) < len(LARGE):
            received += await stream.receive()
    return bytes(received)


async def test_tcp():
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        for _ in range(5):
            stream = await anyio.connect_tcp("localhost", port)
            assert await send_and_receive(stream) == LARGE
        group.cancel_scope.cancel()


async def test_unix_socket_passes_descriptors(tmp_path):
    async def hand_out(stream):
        async with stream:
            reading, writing = os.pipe()
            await stream.send_fds(b"take", [reading])
            os.close(reading)
            os.write(writing, b"through the pipe")
            os.close(writing)

    listener = await anyio.create_unix_listener(tmp_path / "socket")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, hand_out)
        async with await anyio.connect_unix(tmp_path / "socket") as stream:
            message, (descriptor,) = await stream.receive_fds(10, 1)
        with open(descriptor, "rb") as pipe:
            assert (message, pipe.read()) == (b"take", b"through the pipe")
        group.cancel_scope.cancel()


async def test_udp():
    async with (
        await anyio.create_udp_socket(local_host="127.0.0.1") as server,
        await anyio.create_connected_udp_socket(
            "127.0.0.1", server.extra(anyio.abc.SocketAttribute.local_port)
        ) as client,
    ):
        for number in range(200):
            await client.send(str(number).encode())
            data, address = await server.receive()
            await server.sendto(data * 2, *address)
            assert await client.receive() == str(number).encode() * 2


async def test_tls(certificates, engine):
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)
    listener = TLSListener(plain, certificates.server_context(engine))
    context = certificates.client_context(engine)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        stream = await anyio.connect_tcp("localhost", port, ssl_context=context)
        assert isinstance(stream, TLSStream)
        assert stream.extra(anyio.streams.tls.TLSAttribute.tls_version) == "TLSv1.3"
        assert await send_and_receive(stream) == LARGE
        with pytest.raises(ssl.SSLCertVerificationError):
            await anyio.connect_tcp("127.0.0.1", port, ssl_context=ssl.create_default_context())
        group.cancel_scope.cancel()


async def test_process_streams():
    program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    finished = await anyio.run_process([sys.executable, "-c", program], input=LARGE)
    assert finished.stdout == LARGE[::-1]
    async with await anyio.open_process(
        [sys.executable, "-c", "import time; time.sleep(600)"]
    ) as p:
        p.terminate()
        assert await p.wait() == -signal.SIGTERM


async def test_threads_call_back():
    main_thread = threading.get_ident()

    def work(number):
        assert threading.get_ident() != main_thread
        assert from_thread.run_sync(threading.get_ident) == main_thread
        from_thread.run(anyio.sleep, 0)
        return number * number

    squares = {}

    async def square(number):
        squares[number] = await to_thread.run_sync(work, number)

    async with anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(square, number)
    assert squares == {number: number * number for number in range(100)}


def test_portal_from_another_thread():
    options = {"loop_factory": zloop.new_event_loop}
    with from_thread.start_blocking_portal("asyncio", options) as portal:

        async def module():
            return type(asyncio.get_running_loop()).__module__

        assert portal.call(module) == "zloop"
        futures = [portal.start_task_soon(anyio.sleep, 0.01) for _ in range(50)]
        assert [future.result(timeout=30) for future in futures] == [None] * 50


async def test_signals_are_received():
    with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert await anext(signals) == signal.SIGUSR1
        os.kill(os.getpid(), signal.SIGUSR2)
        assert await anext(signals) == signal.SIGUSR2


async def test_files(tmp_path):
    path = anyio.Path(tmp_path / "file")
    await path.write_bytes(LARGE)
    async with await anyio.open_file(path, "rb") as file:
        parts = [part async for part in file]
    assert b"".join(parts) == LARGE
    assert [entry.name async for entry in anyio.Path(tmp_path).iterdir()] == ["file"]


async def test_cancelled_connection_closes_its_socket():
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener:
        stream = await anyio.connect_tcp("127.0.0.1", port)
        with anyio.move_on_after(0.05) as scope:
            await stream.receive()
        assert scope.cancelled_caught
        await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()
