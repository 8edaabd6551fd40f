"""A program that lets connects, accepts, spawns, pipes and datagrams fail and be cancelled.

Its arguments: the kind of loop, and whether threads churn descriptors meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
import tempfile
import threading
import warnings

from conftest import FACTORIES, open_descriptors

TURNS = 6


class Churner(threading.Thread):
    """Opens and closes descriptors, and looks whether they stayed what they were."""

    def __init__(self, stop):
        super().__init__(daemon=True)
        self.stop = stop
        self.wrong = []

    def run(self):
        while not self.stop.is_set():
            opened = [*os.pipe(), *os.pipe()]
            identities = [self.identity(number) for number in opened]
            self.stop.wait(0.0002)
            if [self.identity(number) for number in opened] != identities:
                self.wrong.append(opened)
            for number in opened:
                try:
                    os.close(number)
                except OSError as error:
                    self.wrong.append((number, error))

    @staticmethod
    def identity(number):
        try:
            found = os.fstat(number)
        except OSError as error:
            return error.errno
        return found.st_dev, found.st_ino


class Failing(asyncio.Protocol, asyncio.DatagramProtocol, asyncio.SubprocessProtocol):
    """Closes its transport as soon as it can, and fails."""

    def connection_made(self, transport):
        transport.close()
        raise ZeroDivisionError


async def cancelled_after(turns, awaitable):
    """Cancel something after some turns; end what it made if it was faster."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        made = await task
    except (asyncio.CancelledError, OSError, ZeroDivisionError):
        return
    end(made)


def end(made):
    if isinstance(made, socket.socket):
        made.close()
    elif isinstance(made, tuple):
        end(made[0])
    elif made is not None:
        made.close()


def refuse():
    raise ZeroDivisionError


async def connects(loop, folder):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = unused.getsockname()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            somebody = listening.getsockname()
            for turns in range(TURNS):
                for factory in (asyncio.Protocol, Failing, refuse):
                    for address in (nobody, somebody):
                        await cancelled_after(turns, loop.create_connection(factory, *address))
                    path = f"{folder}/nobody"
                    await cancelled_after(turns, loop.create_unix_connection(factory, path))
                with socket.socket() as sock:
                    sock.setblocking(False)
                    await cancelled_after(turns, loop.sock_connect(sock, somebody))
                with contextlib.suppress(OSError):
                    await loop.create_connection(asyncio.Protocol, *nobody)
                with contextlib.suppress(ZeroDivisionError):
                    await loop.create_connection(refuse, *somebody)
                with contextlib.suppress(OSError):
                    await loop.create_connection(
                        asyncio.Protocol, *somebody, local_addr=("192.0.2.1", 1)
                    )


async def accepts(loop, folder):
    for factory in (asyncio.Protocol, Failing, refuse):
        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for turns in range(TURNS):
            with socket.create_connection(address), socket.create_connection(address):
                for _ in range(turns):
                    await asyncio.sleep(0)
        with contextlib.suppress(OSError):
            await loop.create_server(factory, *address)
        server.close()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        for turns in range(TURNS):
            with socket.create_connection(listening.getsockname()):
                await cancelled_after(turns, loop.sock_accept(listening))
            await cancelled_after(turns, loop.sock_accept(listening))
    with contextlib.suppress(OSError):
        await loop.create_unix_server(asyncio.Protocol, f"{folder}/no/such/folder")


async def spawns(loop, folder):
    pipe = asyncio.subprocess.PIPE
    for turns in range(TURNS + 4):
        for factory in (asyncio.SubprocessProtocol, Failing, refuse):
            for program in ("true", f"{folder}/no-such-program"):
                spawning = loop.subprocess_exec(factory, program, stdin=pipe, stdout=pipe)
                await cancelled_after(turns, spawning)


async def pipes(loop, folder):
    for turns in range(TURNS):
        for factory in (asyncio.Protocol, Failing, refuse):
            for connect, index in ((loop.connect_read_pipe, 0), (loop.connect_write_pipe, 1)):
                ends = os.pipe()
                os.close(ends[1 - index])
                with open(ends[index], ("rb", "wb")[index], buffering=0) as pipe:
                    with contextlib.suppress(OSError):
                        await cancelled_after(turns, connect(factory, pipe))
                    await asyncio.sleep(0)
    with open(f"{folder}/file", "w") as regular, contextlib.suppress(ValueError):
        await loop.connect_write_pipe(asyncio.Protocol, regular)


async def datagrams(loop, folder):
    for turns in range(TURNS):
        for factory in (asyncio.DatagramProtocol, Failing, refuse):
            for options in (
                {"local_addr": ("127.0.0.1", 0)},
                {"remote_addr": ("127.0.0.1", 9)},
                {"local_addr": ("192.0.2.1", 0)},
                {"remote_addr": f"{folder}/nobody", "family": socket.AF_UNIX},
            ):
                await cancelled_after(turns, loop.create_datagram_endpoint(factory, **options))


async def main(kind, folder):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    for part in (connects, accepts, spawns, pipes, datagrams):
        before = open_descriptors()
        await part(loop, folder)
        async with asyncio.timeout(30):
            # Whatever the churners have open, nothing else may be left.
            while not_churned(before):
                await asyncio.sleep(0.01)
                gc.collect()


def not_churned(before):
    now = open_descriptors()
    return {n: now[n] for n in now.keys() - before.keys() if not now[n].startswith("pipe:")}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    stop = threading.Event()
    churners = [Churner(stop) for _ in range(3 if sys.argv[2] == "churn" else 0)]
    for churner in churners:
        churner.start()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=FACTORIES[sys.argv[1]]) as runner,
    ):
        # The interpreter closes what it likes before and after.
        os.write(1, b"begin of the churn\n")
        runner.run(main(sys.argv[1], folder))
        os.write(1, b"end of the churn\n")
    stop.set()
    for churner in churners:
        churner.join()
        assert churner.wrong == []
