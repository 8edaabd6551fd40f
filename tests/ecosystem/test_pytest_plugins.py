"""pytest-asyncio and AnyIO's plugin with zloop chosen, as a project would choose it."""

import subprocess
import sys
import textwrap

import pytest

PYTEST_ASYNCIO = """
    import asyncio
    import pytest
    import zloop

    {choice}

    @pytest.fixture
    async def server():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]

    @pytest.mark.asyncio
    async def test_loop():
        assert type(asyncio.get_running_loop()).__module__ == "zloop"

    @pytest.mark.asyncio
    async def test_fixture(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server)
        writer.write(b"hello\\n")
        assert await reader.read() == b"hello\\n"
        writer.close()
        await writer.wait_closed()
"""

FACTORY_HOOK = """
    def pytest_asyncio_loop_factories(config, item):
        return {"zloop": __import__("zloop").new_event_loop}
"""

ANYIO = """
    import asyncio
    import anyio
    import pytest
    import zloop

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return "asyncio", {"loop_factory": zloop.new_event_loop}

    @pytest.fixture
    async def group():
        async with anyio.create_task_group() as group:
            yield group
            group.cancel_scope.cancel()

    async def test_loop():
        assert type(asyncio.get_running_loop()).__module__ == "zloop"

    async def test_fixture_shares_the_loop(group):
        sending, receiving = anyio.create_memory_object_stream()
        group.start_soon(sending.send, "hello")
        assert await receiving.receive() == "hello"
        sending.close()
        receiving.close()
"""


@pytest.fixture
def run_pytest(tmp_path):
    """Runs pytest on a file, with one plugin, and answers with its output."""

    def run(source, *options, conftest=""):
        (tmp_path / "test_it.py").write_text(textwrap.dedent(source))
        (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
        command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        finished = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=100
        )
        return finished.stdout + finished.stderr

    return run


def test_pytest_asyncio_by_its_hook(run_pytest):
    options = ["-p", "no:anyio", "-o", "asyncio_default_fixture_loop_scope=function"]
    source = PYTEST_ASYNCIO.format(choice="").replace("@pytest.fixture", "@pytest_asyncio.fixture")
    source = source.replace("import pytest\n", "import pytest\n    import pytest_asyncio\n")
    assert "2 passed" in run_pytest(source, *options, conftest=FACTORY_HOOK)


def test_anyio_by_its_backend_fixture(run_pytest):
    assert "2 passed" in run_pytest(ANYIO, "-p", "no:asyncio")
