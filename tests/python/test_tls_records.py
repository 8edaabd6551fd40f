"""However records are cut and joined on their way, the protocol gets their data, all of it, in order."""

from __future__ import annotations

import asyncio
import itertools
import ssl

import pytest
from tls_support import ENGINES, LIMIT, Recorder, client_context, server_context

SIZES = (1, 100, 16_384, 16_384, 5_000, 1, 1, 16_384, 16_000, 99, 100, 101, 3)
PAYLOAD = [bytes([number]) * size for number, size in enumerate(SIZES)]
EVERYTHING = b"".join(PAYLOAD)


class Buffered(Recorder, asyncio.BufferedProtocol):
    """Takes a hundred bytes at a time: less than a record, all of it, or more."""

    def get_buffer(self, sizehint):
        self.view = bytearray(100)
        return memoryview(self.view)

    def buffer_updated(self, nbytes):
        self.data += self.view[:nbytes]


class Client:
    """A TLS client whose ciphertext is sent as a test has it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def do_handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.writer.write(self.outgoing.read())
                self.incoming.write(await self.reader.read(100_000))

    def encrypt(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    async def send(self, pieces):
        self.writer.write(self.outgoing.read())
        for piece in pieces:
            self.writer.write(piece)
            # The server reads what is there, however little.
            for _ in range(3):
                await asyncio.sleep(0)


def whole(records):
    yield b"".join(records)


def one_by_one(records):
    yield from records


def within_headers(records):
    stream = b"".join(records)
    cuts = [0]
    for record in records:
        cuts.append(cuts[-1] + len(record))
    edges = [0, *(cut + 3 for cut in cuts[:-1]), len(stream)]
    for start, end in itertools.pairwise(edges):
        yield stream[start:end]


def in_halves(records):
    stream = b"".join(records)
    for start in range(0, len(stream), 8_000):
        yield stream[start : start + 8_000]


def byte_by_byte_at_first(records):
    stream = b"".join(records)
    for start in range(300):
        yield stream[start : start + 1]
    yield stream[300:]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("protocol", [Recorder, Buffered])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "cut", [whole, one_by_one, within_headers, in_halves, byte_by_byte_at_first]
)
def test_records_cut_and_joined(loop, engine, protocol, version, cut):
    context = server_context(ENGINES[engine])
    context.minimum_version = context.maximum_version = version

    async def main():
        served = loop.create_future()

        def factory():
            served.set_result(protocol())
            return served.result()

        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=context)
        client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname()))
        await client.do_handshake()
        await client.send(cut([client.encrypt(data) for data in PAYLOAD]))
        recorder = await served
        while len(recorder.data) < len(EVERYTHING):
            await asyncio.sleep(0)
        assert recorder.data == EVERYTHING
        # What comes after the last of them is seen too: the peer's close_notify.
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        await client.send([])
        await recorder.lost
        assert recorder.told == ["made", "eof", "lost"]
        client.writer.close()
        server.close()

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
