"""grpc.aio: each kind of call, errors, deadlines, cancellation, TLS. gRPC brings sockets of its own."""

import asyncio
import os
from contextlib import asynccontextmanager

import grpc
import pytest


async def reverse(request, context):
    if not request:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nothing to reverse")
    return request[::-1]


async def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


async def join(requests, context):
    return b"".join([request async for request in requests])


async def echo(requests, context):
    async for request in requests:
        yield request


async def wait(request, context):
    await asyncio.sleep(600)
    return request


HANDLERS = {
    "reverse": grpc.unary_unary_rpc_method_handler(reverse),
    "count": grpc.unary_stream_rpc_method_handler(count),
    "join": grpc.stream_unary_rpc_method_handler(join),
    "echo": grpc.stream_stream_rpc_method_handler(echo),
    "wait": grpc.unary_unary_rpc_method_handler(wait),
}


@asynccontextmanager
async def channel_to_server(certificates=None):
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", HANDLERS),))
    if certificates:
        key = certificates.server.private_key_pem.bytes()
        chain = b"".join(part.bytes() for part in certificates.server.cert_chain_pems)
        credentials = grpc.ssl_server_credentials([(key, chain)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
        trusted = grpc.ssl_channel_credentials(certificates.authority_file.read_bytes())
        channel = grpc.aio.secure_channel(f"localhost:{port}", trusted)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    await server.start()
    async with channel:
        yield channel
    await server.stop(grace=None)


async def test_unary_calls_at_once():
    async with channel_to_server() as channel:
        call = channel.unary_unary("/Test/reverse")
        payloads = [os.urandom(20_000) for _ in range(100)]
        answers = await asyncio.gather(*(call(payload) for payload in payloads))
        assert answers == [payload[::-1] for payload in payloads]


async def test_streams():
    async def numbers():
        for number in range(200):
            yield str(number).encode()

    expected = [str(number).encode() for number in range(200)]
    async with channel_to_server() as channel:
        assert [part async for part in channel.unary_stream("/Test/count")(b"200")] == expected
        assert await channel.stream_unary("/Test/join")(numbers()) == b"".join(expected)
        assert [part async for part in channel.stream_stream("/Test/echo")(numbers())] == expected


async def test_error_of_the_server_reaches_the_client():
    async with channel_to_server() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/Test/reverse")(b"")
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.value.details() == "nothing to reverse"


async def test_deadline_and_cancellation():
    async with channel_to_server() as channel:
        wait = channel.unary_unary("/Test/wait")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await wait(b"", timeout=0.05)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        waiting = asyncio.create_task(_await(wait(b"")))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await channel.unary_unary("/Test/reverse")(b"ab") == b"ba"


async def _await(call):
    return await call


async def test_tls(certificates):
    async with channel_to_server(certificates) as channel:
        assert await channel.unary_unary("/Test/reverse")(b"secret") == b"terces"
