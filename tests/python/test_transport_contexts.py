"""The contexts in which protocols of streams are called."""

from __future__ import annotations

import asyncio
import contextvars
import sys

from transport_support import Recorder, connected, until

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_contexts_of_callbacks(loop):
    """Each callback runs in a copy of what was current when it was registered."""
    seen = []

    class Looking(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(("made", variable.get()))
            variable.set("set in connection_made")

        def data_received(self, data):
            super().data_received(data)
            seen.append(("data", variable.get()))
            variable.set("set in data_received")

        def eof_received(self):
            seen.append(("eof", variable.get()))

        def connection_lost(self, exc):
            super().connection_lost(exc)
            seen.append(("lost", variable.get()))

    async def main():
        variable.set("while connecting")
        transport, protocol, peer = await connected(Looking())
        variable.set("afterwards")
        await peer.send(b"x")
        await until(lambda: protocol.data)
        peer.sock.close()
        await protocol.lost
        return variable.get()

    assert loop.run_until_complete(main()) == "afterwards"
    found = dict(seen)
    assert found["made"] == "while connecting"
    first_data = "set in connection_made" if sys.version_info >= (3, 15) else "while connecting"
    assert seen[1] == ("data", first_data)
    assert found["eof"] == "set in data_received"
    assert found["lost"] == "set in data_received"


def test_context_of_connections_is_not_the_servers_callers(loop):
    seen = []

    class Looking(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(variable.get())
            variable.set("leaked")
            transport.close()

    async def main():
        variable.set("server")
        server = await loop.create_server(Looking, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        variable.set("client")
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert variable.get() == "client"

    loop.run_until_complete(main())
    assert seen == ["server", "server"]
