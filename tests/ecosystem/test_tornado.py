"""Tornado's server and clients, whose I/O goes through add_reader and add_writer."""

import asyncio
import os
from contextlib import asynccontextmanager

import pytest
import tornado.gen
import tornado.httpclient
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.tcpclient
import tornado.tcpserver
import tornado.web
import tornado.websocket


class LoopHandler(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0)
        self.write({"loop": type(asyncio.get_running_loop()).__module__})


class EchoHandler(tornado.web.RequestHandler):
    async def post(self):
        for start in range(0, len(self.request.body), 100_000):
            self.write(self.request.body[start : start + 100_000])
            await self.flush()


class ThreadHandler(tornado.web.RequestHandler):
    async def get(self):
        self.write(await tornado.ioloop.IOLoop.current().run_in_executor(None, str.upper, "thread"))


class SocketHandler(tornado.websocket.WebSocketHandler):
    async def on_message(self, message):
        await self.write_message(message, binary=isinstance(message, bytes))


@asynccontextmanager
async def served(context=None):
    handlers = [
        ("/loop", LoopHandler),
        ("/echo", EchoHandler),
        ("/thread", ThreadHandler),
        ("/ws", SocketHandler),
    ]
    app = tornado.web.Application(handlers, websocket_max_message_size=1 << 26)
    server = tornado.httpserver.HTTPServer(app, ssl_options=context, max_body_size=1 << 26)
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield f"{'https' if context else 'http'}://localhost:{sockets[0].getsockname()[1]}"
    finally:
        server.stop()
        await server.close_all_connections()


async def test_requests():
    async with served() as url:
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True, max_clients=20)
        answers = await asyncio.gather(*(client.fetch(f"{url}/loop") for _ in range(100)))
        assert {answer.body for answer in answers} == {b'{"loop": "zloop"}'}
        body = os.urandom(3_000_000)
        headers = {"Content-Type": "application/octet-stream"}
        answer = await client.fetch(f"{url}/echo", method="POST", body=body, headers=headers)
        assert answer.body == body
        assert (await client.fetch(f"{url}/thread")).body == b"THREAD"
        client.close()


async def test_tls(certificates):
    async with served(certificates.server_context("ssl")) as url:
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        answer = await client.fetch(f"{url}/loop", ca_certs=str(certificates.authority_file))
        assert answer.body == b'{"loop": "zloop"}'
        client.close()


async def test_websocket():
    async with served() as url:
        address = url.replace("http", "ws") + "/ws"
        client = await tornado.websocket.websocket_connect(address, max_message_size=1 << 26)
        for message in ("text", os.urandom(2_000_000)):
            await client.write_message(message, binary=isinstance(message, bytes))
            assert await client.read_message() == message
        client.close()
        assert await client.read_message() is None


async def test_tcp_streams():
    class Echo(tornado.tcpserver.TCPServer):
        async def handle_stream(self, stream, address):
            line = await stream.read_until(b"\n")
            await stream.write(line * 10_000)
            stream.close()

    server = Echo()
    server.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    stream = await tornado.tcpclient.TCPClient().connect("127.0.0.1", port)
    await stream.write(b"hello\n")
    assert await stream.read_until_close() == b"hello\n" * 10_000
    server.stop()


async def test_periodic_callback_and_timeouts():
    loop = tornado.ioloop.IOLoop.current()
    assert loop.asyncio_loop is asyncio.get_running_loop()
    ticks = asyncio.Queue()
    periodic = tornado.ioloop.PeriodicCallback(lambda: ticks.put_nowait(loop.time()), 5)
    periodic.start()
    times = [await ticks.get() for _ in range(5)]
    periodic.stop()
    assert times == sorted(times)
    with pytest.raises(tornado.gen.TimeoutError):
        await tornado.gen.with_timeout(loop.time() + 0.01, asyncio.Event().wait())
