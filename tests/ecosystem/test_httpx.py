"""HTTPX against nginx by TLS, and against uvicorn on the same loop.

HTTPX talks through AnyIO, which does TLS above the loop, by wrap_bio: with Python's ssl, whatever the
context. It takes a zloop.SSLContext as any other; a server on the loop uses rustls with it.
"""

import asyncio
import os

import httpx
import pytest
from services.asgi import served_by_uvicorn
from services.certificates import assert_engine

LARGE = os.urandom(1 << 16) * 64


@pytest.fixture
def large_file(nginx):
    path = nginx.files / "large"
    path.write_bytes(LARGE)
    path.chmod(0o644)
    return f"{nginx.url}/files/large"


async def test_download_from_nginx(large_file, certificates, engine):
    context = certificates.client_context(engine)
    async with httpx.AsyncClient(verify=context, timeout=30) as client:
        async with client.stream("GET", large_file) as response:
            stream = response.extensions["network_stream"]
            assert_engine(stream.get_extra_info("ssl_object"), "ssl")
            parts = [part async for part in response.aiter_bytes()]
        assert b"".join(parts) == LARGE
        response = await client.get(large_file, headers={"Range": "bytes=100-199"})
        assert response.status_code == 206
        assert response.content == LARGE[100:200]


async def test_many_requests_share_connections(large_file, certificates, engine):
    limits = httpx.Limits(max_connections=5, max_keepalive_connections=5)
    context = certificates.client_context(engine)
    async with httpx.AsyncClient(verify=context, limits=limits, timeout=60) as client:

        async def part(number):
            start = number * 1000
            headers = {"Range": f"bytes={start}-{start + 999}"}
            return (await client.get(large_file, headers=headers)).content

        found = await asyncio.gather(*(part(number) for number in range(100)))
    assert b"".join(found) == LARGE[:100_000]


async def test_unknown_authority_is_refused(large_file):
    async with httpx.AsyncClient(timeout=30) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(large_file)


async def test_body_streams_both_ways(certificates, engine):
    async def body():
        for start in range(0, len(LARGE), 100_000):
            yield LARGE[start : start + 100_000]

    served = served_by_uvicorn(context=certificates.server_context(engine))
    verify = certificates.client_context(engine)
    async with served as url, httpx.AsyncClient(verify=verify, timeout=30) as client:
        assert (await client.get(f"{url}/loop")).json() == {"loop": "zloop"}
        response = await client.post(f"{url}/echo", content=body())
        assert response.content == LARGE


async def test_read_timeout(nginx):
    async def never(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(timeout=httpx.Timeout(30, read=0.05)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"http://127.0.0.1:{port}/")
