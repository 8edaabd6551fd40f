"""redis-py's asynchronous client: values, pipelines, pub/sub, blocking reads, streams."""

import asyncio

from redis.asyncio import BlockingConnectionPool, Redis


async def test_values_come_back(redis_url):
    async with Redis.from_url(redis_url) as redis:
        large = bytes(range(256)) * 40_000
        await redis.set("large", large)
        assert await redis.get("large") == large
        await redis.hset("hash", mapping={"name": "zloop", "year": 1})
        assert await redis.hgetall("hash") == {b"name": b"zloop", b"year": b"1"}
        assert await redis.get("nothing") is None


async def test_pipeline_and_transaction(redis_url):
    async with Redis.from_url(redis_url) as redis:
        await redis.delete("counter")
        async with redis.pipeline(transaction=True) as pipeline:
            for _ in range(1000):
                pipeline.incr("counter")
            assert await pipeline.execute() == list(range(1, 1001))

        async def add_one(pipeline):
            value = int(await pipeline.get("counter"))
            pipeline.multi()
            pipeline.set("counter", value + 1)

        await asyncio.gather(*(redis.transaction(add_one, "counter") for _ in range(10)))
        assert await redis.get("counter") == b"1010"


async def test_subscribers_hear_what_is_published(redis_url):
    async def hear(pubsub, count):
        heard = []
        async for message in pubsub.listen():
            if message["type"] in ("message", "pmessage"):
                heard.append(message["data"])
                if len(heard) == count:
                    return heard
        return heard

    async with Redis.from_url(redis_url) as redis, redis.pubsub() as one, redis.pubsub() as many:
        await one.subscribe("news.local")
        await many.psubscribe("news.*")
        for pubsub in (one, many):
            assert (await pubsub.get_message(timeout=30))["type"].endswith("subscribe")
        hearing = asyncio.gather(hear(one, 500), hear(many, 500))
        expected = [str(number).encode() for number in range(500)]
        for number in range(500):
            assert await redis.publish("news.local", number) == 2
        assert await hearing == [expected, expected]


async def test_blocked_reader_gets_what_comes_later(redis_url):
    async with Redis.from_url(redis_url) as redis, Redis.from_url(redis_url) as other:
        waiting = asyncio.create_task(redis.blpop(["queue"], timeout=0))
        while not (await other.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.01)
        await other.rpush("queue", "job")
        assert await waiting == (b"queue", b"job")


async def test_cancelled_reader_takes_nothing(redis_url):
    async with Redis.from_url(redis_url) as redis:
        waiting = asyncio.create_task(redis.blpop(["empty"], timeout=0))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert await redis.ping()


async def test_pool_shares_connections_between_many_tasks(redis_url):
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=5, timeout=30)
    async with Redis.from_pool(pool) as redis:
        await asyncio.gather(*(redis.set(f"key {number}", number) for number in range(300)))
        found = await asyncio.gather(*(redis.get(f"key {number}") for number in range(300)))
        assert found == [str(number).encode() for number in range(300)]


async def test_consumer_group_shares_a_stream(redis_url):
    async with Redis.from_url(redis_url) as redis:
        await redis.delete("stream")
        await redis.xgroup_create("stream", "group", id="0", mkstream=True)
        for number in range(100):
            await redis.xadd("stream", {"number": number})

        async def consume(name):
            taken = []
            while answer := await redis.xreadgroup("group", name, {"stream": ">"}, count=7):
                messages = answer[0][1] if isinstance(answer, list) else answer[b"stream"][0]
                for identifier, fields in messages:
                    taken.append(int(fields[b"number"]))
                    await redis.xack("stream", "group", identifier)
            return taken

        taken = await asyncio.gather(consume("one"), consume("two"))
        assert sorted(taken[0] + taken[1]) == list(range(100))
