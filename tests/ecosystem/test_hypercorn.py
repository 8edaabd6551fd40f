"""Hypercorn, with HTTP/1.1, HTTP/2 and WebSockets, by TLS with both engines."""

import asyncio
import os
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import httpx
import websockets
from hypercorn.asyncio import serve
from hypercorn.config import Config
from services.asgi import LINES, app
from services.certificates import assert_engine
from services.process import answers, free_port


class _Config(Config):
    """A configuration whose TLS context is given."""

    context = None

    def create_ssl_context(self):
        return self.context

    @property
    def ssl_enabled(self):
        return self.context is not None


@asynccontextmanager
async def served(context=None):
    config = _Config()
    config.context = context
    if context:
        context.set_alpn_protocols(["h2", "http/1.1"])
    port = free_port()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "WARNING"
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    while not await asyncio.to_thread(answers(port)):
        assert not serving.done(), serving
    try:
        yield port
    finally:
        stop.set()
        await serving


async def test_http_1_requests_and_streams():
    async with served() as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert (await client.get("/loop")).json() == {"loop": "zloop"}
            answers = await asyncio.gather(*(client.get("/lines") for _ in range(20)))
            expected = "".join(f"line {number}\n" for number in range(LINES))
            assert [answer.text for answer in answers] == [expected] * 20
            body = os.urandom(2_000_000)
            assert (await client.post("/echo", content=body)).content == body


async def test_websocket():
    async with served() as port:
        url = f"ws://127.0.0.1:{port}/ws"
        async with websockets.connect(url, subprotocols=["echo"]) as websocket:
            for message in ("text", os.urandom(100_000)):
                await websocket.send(message)
                assert await websocket.recv() == message


async def test_http_2_streams_share_a_connection(certificates, engine):
    context = certificates.client_context(engine)
    context.set_alpn_protocols(["h2"])
    async with served(certificates.server_context(engine)) as port:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        ssl_object = writer.get_extra_info("ssl_object")
        assert_engine(ssl_object, engine)
        assert ssl_object.selected_alpn_protocol() == "h2"
        bodies = await _get_by_http_2(reader, writer, "/loop", count=50)
        writer.close()
        await writer.wait_closed()
    assert bodies == [b'{"loop":"zloop"}'] * 50


async def _get_by_http_2(reader, writer, path, count):
    """Asks for a path on many streams of a connection at once; answers with the bodies."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    bodies = {}
    for _ in range(count):
        stream = connection.get_next_available_stream_id()
        headers = {":method": "GET", ":path": path, ":scheme": "https", ":authority": "localhost"}
        connection.send_headers(stream, list(headers.items()), end_stream=True)
        bodies[stream] = bytearray()
    ended = 0
    while ended < count:
        writer.write(connection.data_to_send())
        await writer.drain()
        data = await reader.read(65536)
        assert data, "the server closed the connection"
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                ended += 1
    return [bytes(body) for body in bodies.values()]


async def test_unknown_page():
    async with served() as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/nowhere")).status_code == 404
