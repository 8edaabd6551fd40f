"""TLS with the `openssl` and `curl` programs, and with HTTPX and aiohttp as clients on the loop."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl

import pytest
from tls_support import (
    CA,
    CLIENT,
    ENGINES,
    LIMIT,
    PLACES,
    SERVER,
    Echo,
    Recorder,
    client_context,
    connect,
    place_of,
    serve,
    server_context,
)

VERSIONS = {
    "TLSv1.2": (ssl.TLSVersion.TLSv1_2, "-tls1_2", "1.2"),
    "TLSv1.3": (ssl.TLSVersion.TLSv1_3, "-tls1_3", "1.3"),
}
BODY = b"0123456789" * 20_000

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    return place_of(request.param, tmp_path)


@pytest.fixture
def files(tmp_path):
    """The paths of the authority's, the server's and the client's certificates."""
    paths = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "client.pem"
    CA.cert_pem.write_to_path(paths[0])
    SERVER.private_key_and_cert_chain_pem.write_to_path(paths[1])
    CLIENT.private_key_and_cert_chain_pem.write_to_path(paths[2])
    return paths


async def call(*command, said=b""):
    """Run a program to its end; what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(said)
    assert process.returncode == 0, errors.decode()
    return output


class OneLine(Recorder):
    """Answers a line with its letters in capitals, and goes."""

    def data_received(self, data):
        super().data_received(data)
        if self.data.endswith(b"\n"):
            self.transport.write(self.data.upper())
            self.transport.close()


class Http(Recorder):
    """An HTTP server whose answer is what it was sent."""

    def data_received(self, data):
        super().data_received(data)
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        size = int(length[1]) if length else 0
        if found and len(body) >= size:
            self.data.clear()
            if b"expect: 100-continue" in head.lower():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
            self.transport.write(answer % size + body)


def verifying(context):
    context.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@needs_openssl
@pytest.mark.parametrize("version", VERSIONS)
def test_s_client(zloop_loop, engine, place, files, version):
    authority, _, client = files

    async def main():
        served = []

        def factory():
            served.append(OneLine())
            return served[0]

        server, address = await serve(place, factory, verifying(server_context(engine)))
        target = ["-unix", address]
        if place is None:
            target = ["-connect", f"127.0.0.1:{address[1]}"]
        output = await call(
            *("openssl", "s_client", *target, VERSIONS[version][1], "-quiet", "-alpn", "h2"),
            *("-CAfile", authority, "-verify_return_error", "-verify_hostname", "localhost"),
            *("-cert", client),
            said=b"hello\n",
        )
        assert output == b"HELLO\n"
        assert await served[0].lost is None
        ssl_object = served[0].transport.get_extra_info("ssl_object")
        assert ssl_object.version() == version
        assert ssl_object.selected_alpn_protocol() == "h2"
        assert ssl_object.getpeercert()["subjectAltName"] == (("email", "client@example.org"),)
        server.close()

    run(zloop_loop, main())


@needs_curl
@pytest.mark.parametrize("version", VERSIONS)
def test_curl(zloop_loop, engine, place, files, version, tmp_path):
    authority, _, client = files
    number = VERSIONS[version][2]

    async def main():
        context = verifying(server_context(engine))
        context.set_alpn_protocols(["http/1.1"])
        server, address = await serve(place, Http, context)
        port = 443 if place is not None else address[1]
        target = [] if place is None else ["--unix-socket", place]
        (tmp_path / "body").write_bytes(BODY)
        url = f"https://localhost:{port}/"
        output = await call(
            *("curl", "--silent", "--show-error", "--noproxy", "*", *target, "--http1.1"),
            *("--cacert", authority, "--cert", client),
            *(f"--tlsv{number}", "--tls-max", number, "--resolve", f"localhost:{port}:127.0.0.1"),
            *("--data-binary", f"@{tmp_path / 'body'}", url, url),
        )
        assert output == BODY + BODY
        server.close()

    run(zloop_loop, main())


@needs_openssl
@pytest.mark.parametrize("version", VERSIONS)
def test_s_server(zloop_loop, engine, place, files, version, tmp_path):
    authority, certificate, _ = files

    async def main():
        # It ends if the path that it is to say is longer than some 30 bytes.
        where = ["-accept", "127.0.0.1:0"] if place is None else ["-unix", place.name]
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_server", *where, VERSIONS[version][1], "-rev", "-naccept", "1"),
            *("-cert", str(certificate), "-CAfile", str(authority), "-Verify", "1"),
            *("-verify_return_error", "-alpn", "h2"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        while not (line := await process.stdout.readline()).startswith(b"ACCEPT"):
            assert line, "it ended"
        address = str(place)
        if place is None:
            address = ("127.0.0.1", int(line.rpartition(b":")[2]))
        context = client_context(engine)
        CLIENT.configure_cert(context)
        context.set_alpn_protocols(["h2"])
        client = await connect(address, Recorder, context)
        ssl_object = client.transport.get_extra_info("ssl_object")
        assert ssl_object.version() == version
        assert ssl_object.selected_alpn_protocol() == "h2"
        client.transport.write(b"hello\n")
        while not client.data.endswith(b"\n"):
            await asyncio.sleep(0.001)
        assert client.data == b"olleh\n"
        client.transport.close()
        assert await client.lost is None
        await process.communicate()

    run(zloop_loop, main())


@needs_openssl
@pytest.mark.parametrize("command", [b"K\n", b"k\n"], ids=["and ours", "its own"])
def test_a_program_changes_keys(zloop_loop, engine, files, command):
    """`s_client` takes the lines K and k for commands, each of which it answers by a word."""

    async def main():
        server, address = await serve(None, Echo, server_context(engine))
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{address[1]}", "-tls1_3"),
            *("-CAfile", str(files[0])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        for said, answer in (
            (b"1", b"1"),
            (command, b"KEYUPDATE"),
            (b"2", b"2"),
            (command, b"KEYUPDATE"),
        ):
            process.stdin.write(said.strip() + b"\n")
            while (line := await process.stdout.readline()).strip() != answer:
                assert line, "it ended"
        process.stdin.write(b"Q\n")
        await process.communicate()
        assert process.returncode == 0
        server.close()

    run(zloop_loop, main())


def test_httpx(loop, engine, place):
    httpx = pytest.importorskip("httpx")

    async def main():
        server, address = await serve(place, Http, server_context(engine))
        context = client_context(engine)
        port = 443 if place is not None else address[1]
        transport = httpx.AsyncHTTPTransport(verify=context, uds=place and str(place))
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            for _ in range(3):
                answer = await client.post(f"https://localhost:{port}/", content=BODY)
                assert answer.content == BODY
            stream = answer.extensions["network_stream"]
            assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"
            assert stream.get_extra_info("ssl_object").getpeercert()["subjectAltName"]
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            async with httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(
                    verify=engine(ssl.PROTOCOL_TLS_CLIENT), uds=place and str(place)
                )
            ) as client:
                await client.get(f"https://localhost:{port}/")
        server.close()

    run(loop, main())


def test_aiohttp(loop, engine):
    aiohttp = pytest.importorskip("aiohttp")

    async def main():
        server, address = await serve(None, Http, server_context(engine))
        url = f"https://localhost:{address[1]}/"
        async with aiohttp.ClientSession() as client:
            context = client_context(engine)
            for _ in range(3):
                async with client.post(url, data=BODY, ssl=context) as answer:
                    assert await answer.read() == BODY
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await client.get(url, ssl=engine(ssl.PROTOCOL_TLS_CLIENT))
        server.close()
        while any(task is not asyncio.current_task() for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)

    run(loop, main())


@needs_openssl
def test_a_program_that_leaves_in_the_middle(zloop_loop, engine, files):
    """It is ended while data for it waits."""

    async def main():
        served = []

        def factory():
            served.append(Echo())
            return served[0]

        server, address = await serve(None, factory, server_context(engine))
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{address[1]}", "-quiet"),
            *("-CAfile", str(files[0])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        process.stdin.write(b"hello\n")
        while not served or not served[0].data:
            await asyncio.sleep(0.001)
        served[0].transport.write(bytes(5_000_000))
        process.kill()
        error = await served[0].lost
        assert error is None or isinstance(error, ConnectionError)
        await process.wait()
        server.close()

    run(zloop_loop, main())
