"""psycopg's asynchronous side: TLS by libpq, COPY, LISTEN and NOTIFY, cancellation, pools.

libpq owns the sockets, so this is about add_reader and add_writer.
"""

import asyncio

import psycopg
import psycopg_pool
import pytest


@pytest.fixture
def conninfo(postgresql, certificates):
    options = {"sslmode": "verify-full", "sslrootcert": certificates.authority_file}
    return psycopg.conninfo.make_conninfo(postgresql.url("postgresql"), **options)


async def test_tls(conninfo):
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        cursor = await connection.execute(
            "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
        )
        assert await cursor.fetchone() == (True, "TLSv1.3")
        large = "zloop" * 1_000_000
        cursor = await connection.execute("select %s::text", [large])
        assert await cursor.fetchone() == (large,)


async def test_copy_in_and_out(conninfo):
    rows = [(number, f"row {number}") for number in range(20_000)]
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await connection.execute("create temp table copied (number int, name text)")
        async with connection.cursor() as cursor:
            async with cursor.copy("copy copied from stdin") as copy:
                for row in rows:
                    await copy.write_row(row)
            async with cursor.copy("copy copied to stdout") as copy:
                copy.set_types(["int4", "text"])
                assert [row async for row in copy.rows()] == rows


async def test_listen_hears_notify(conninfo):
    connect = psycopg.AsyncConnection.connect
    async with await connect(conninfo, autocommit=True) as listener:
        await listener.execute("listen news")
        async with await connect(conninfo, autocommit=True) as other:
            for number in range(100):
                await other.execute("select pg_notify('news', %s)", [str(number)])
        heard = [notify.payload async for notify in listener.notifies(stop_after=100, timeout=30)]
        assert heard[:100] == [str(number) for number in range(100)]


async def test_cancelled_query_leaves_the_connection_usable(conninfo):
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.execute("select pg_sleep(600)")
        cursor = await connection.execute("select 1")
        assert await cursor.fetchone() == (1,)


async def test_pipeline_sends_many_queries_at_once(conninfo):
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        async with connection.pipeline():
            cursors = [await connection.execute("select %s::int", [n]) for n in range(500)]
            assert [await cursor.fetchone() for cursor in cursors] == [(n,) for n in range(500)]


async def test_pool_shares_connections_between_many_tasks(conninfo):
    async def square(pool, number):
        async with pool.connection() as connection:
            cursor = await connection.execute("select %s::int * %s::int", [number, number])
            return (await cursor.fetchone())[0]

    async with psycopg_pool.AsyncConnectionPool(conninfo, min_size=2, max_size=5) as pool:
        found = await asyncio.gather(*(square(pool, number) for number in range(200)))
        assert found == [number * number for number in range(200)]
        assert pool.get_stats()["pool_size"] <= 5
