"""Runs every coroutine test on a zloop loop, and starts the services that tests ask for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest
from services import certificates as services_certificates
from services import nats as services_nats
from services import nginx as services_nginx
from services import postgresql as services_postgresql
from services import redis as services_redis

import zloop

# Far more than any test needs, and less than pytest's own limit, so that the loop says what waited.
PATIENCE = 200


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine test by zloop.run."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def on_zloop() -> None:
        assert type(asyncio.get_running_loop()).__module__ == "zloop"
        async with asyncio.timeout(PATIENCE):
            await pyfuncitem.obj(**wanted)

    zloop.run(on_zloop())
    return True


@pytest.fixture(scope="session")
def certificates(
    tmp_path_factory: pytest.TempPathFactory,
) -> services_certificates.Certificates:
    """The tests' own authority, and what it issued."""
    return services_certificates.Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["ssl", "rustls"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine of TLS, one after the other."""
    return str(request.param)


@pytest.fixture(scope="session")
def postgresql(
    certificates: services_certificates.Certificates,
) -> Iterator[services_postgresql.PostgreSQL]:
    """A PostgreSQL server that speaks TLS."""
    with services_postgresql.postgresql(certificates) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server's URL."""
    with services_redis.redis() as url:
        yield url


@pytest.fixture(scope="session")
def nats_port() -> Iterator[int]:
    """The port of a NATS server."""
    with services_nats.nats() as port:
        yield port


@pytest.fixture(scope="session")
def nats_tls_port(certificates: services_certificates.Certificates) -> Iterator[int]:
    """The port of a NATS server that speaks TLS."""
    with services_nats.nats(certificates) as port:
        yield port


@pytest.fixture(scope="session")
def nginx(certificates: services_certificates.Certificates) -> Iterator[services_nginx.Nginx]:
    """nginx, by HTTPS: files, and a proxy in front of a Unix socket."""
    with services_nginx.nginx(certificates) as server:
        yield server
