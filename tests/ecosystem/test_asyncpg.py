"""asyncpg: TLS with both engines, COPY, LISTEN and NOTIFY, cancellation, pools."""

import asyncio
import datetime
import io
from contextlib import asynccontextmanager

import asyncpg
import pytest
from services.certificates import assert_engine


@asynccontextmanager
async def connected(server, context):
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=server.database,
        ssl=context,
    )
    try:
        yield connection
    finally:
        await connection.close()


async def test_tls_with_each_engine(postgresql, certificates, engine):
    async with connected(postgresql, certificates.client_context(engine)) as connection:
        query = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
        assert tuple(await connection.fetchrow(query)) == (True, "TLSv1.3")
        assert_engine(connection._transport.get_extra_info("ssl_object"), engine)
        large = "zloop" * 1_000_000
        assert await connection.fetchval("select $1::text", large) == large


async def test_values_of_many_types_come_back(postgresql, certificates):
    values = (
        42,
        "ü",
        b"\0\xff",
        datetime.datetime(2020, 2, 29, 12, tzinfo=datetime.UTC),
        [1, 2, None],
        1.5,
    )
    types = ("int8", "text", "bytea", "timestamptz", "int4[]", "float8")
    columns = ", ".join(f"${number}::{name}" for number, name in enumerate(types, 1))
    async with connected(postgresql, certificates.client_context("ssl")) as connection:
        assert tuple(await connection.fetchrow(f"select {columns}", *values)) == values


async def test_copy_in_and_out(postgresql, certificates, engine):
    rows = [(number, f"row {number}") for number in range(20_000)]
    async with connected(postgresql, certificates.client_context(engine)) as connection:
        await connection.execute("create temp table copied (number int, name text)")
        await connection.copy_records_to_table("copied", records=rows)
        assert await connection.fetchval("select count(*) from copied") == len(rows)
        output = io.BytesIO()
        await connection.copy_from_query("select * from copied order by number", output=output)
        expected = "".join(f"{number}\t{name}\n" for number, name in rows)
        assert output.getvalue().decode() == expected


async def test_cursor_goes_through_a_large_result(postgresql, certificates):
    async with connected(postgresql, certificates.client_context("ssl")) as connection:
        async with connection.transaction():
            cursor = connection.cursor("select * from generate_series(1, 10000)", prefetch=500)
            assert [row[0] async for row in cursor] == list(range(1, 10_001))


async def test_listen_hears_notify(postgresql, certificates):
    context = certificates.client_context("ssl")
    async with connected(postgresql, context) as listener, connected(postgresql, context) as other:
        heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        await listener.add_listener(
            "news", lambda _, __, name, text: heard.put_nowait((name, text))
        )
        for number in range(100):
            await other.execute("select pg_notify('news', $1)", str(number))
        assert [await heard.get() for _ in range(100)] == [("news", str(n)) for n in range(100)]


async def test_cancelled_query_ends_at_the_server(postgresql, certificates, engine):
    context = certificates.client_context(engine)
    async with connected(postgresql, context) as busy, connected(postgresql, context) as other:
        sleeping = asyncio.create_task(busy.execute("select pg_sleep(600)"))
        running = (
            "select count(*) from pg_stat_activity"
            " where query = 'select pg_sleep(600)' and state = 'active'"
        )
        while await other.fetchval(running) == 0:
            await asyncio.sleep(0.01)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        while await other.fetchval(running) > 0:
            await asyncio.sleep(0.01)
        assert await busy.fetchval("select 1") == 1


async def test_timeout_leaves_the_connection_usable(postgresql, certificates):
    async with connected(postgresql, certificates.client_context("ssl")) as connection:
        with pytest.raises(TimeoutError):
            await connection.execute("select pg_sleep(600)", timeout=0.05)
        assert await connection.fetchval("select 2") == 2


async def test_pool_shares_connections_between_many_tasks(postgresql, certificates, engine):
    pool = asyncpg.create_pool(
        postgresql.url("postgresql"),
        ssl=certificates.client_context(engine),
        min_size=2,
        max_size=5,
    )
    async with pool:
        squares = await asyncio.gather(
            *(pool.fetchval("select $1::int * $1::int", number) for number in range(200))
        )
        assert squares == [number * number for number in range(200)]
        assert pool.get_size() <= 5
