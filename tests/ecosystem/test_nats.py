"""nats-py: publish and subscribe, requests, queue groups, JetStream, TLS with both engines."""

import asyncio
from contextlib import asynccontextmanager

import nats
import pytest
from services.certificates import assert_engine


@asynccontextmanager
async def connected(port, **options):
    async def raise_error(error):
        raise error

    client = await nats.connect(f"nats://localhost:{port}", error_cb=raise_error, **options)
    try:
        yield client
    finally:
        await client.close()


async def subscribed(client):
    """Waits until the server knows of the subscriptions.

    nats-py sends the first flush's question at once, and what waits to be sent after it; the second one's
    comes behind both.
    """
    await client.flush()
    await client.flush()


async def test_subscriber_hears_what_is_published(nats_port):
    async with connected(nats_port) as client, connected(nats_port) as other:
        subscription = await client.subscribe("news.*")
        await subscribed(client)
        for number in range(1000):
            await other.publish("news.local", str(number).encode())
        await other.flush()
        heard = [(await subscription.next_msg(timeout=30)).data for _ in range(1000)]
        assert heard == [str(number).encode() for number in range(1000)]


async def test_request_is_answered(nats_port):
    async def answer(message):
        await message.respond(message.data[::-1])

    async with connected(nats_port) as server, connected(nats_port) as client:
        await server.subscribe("reverse", cb=answer)
        await subscribed(server)
        payload = bytes(range(256)) * 2000
        replies = await asyncio.gather(
            *(client.request("reverse", payload, timeout=30) for _ in range(20))
        )
        assert [reply.data for reply in replies] == [payload[::-1]] * 20
        with pytest.raises(nats.errors.NoRespondersError):
            await client.request("nobody", b"", timeout=30)


async def test_queue_group_shares_the_work(nats_port):
    taken: list[int] = []
    done = asyncio.Event()

    async def take(message):
        taken.append(int(message.data))
        if len(taken) == 200:
            done.set()

    async with connected(nats_port) as client, connected(nats_port) as worker:
        for taker in (client, worker):
            await taker.subscribe("work", queue="workers", cb=take)
            await subscribed(taker)
        for number in range(200):
            await client.publish("work", str(number).encode())
        await done.wait()
        await client.flush()
        assert sorted(taken) == list(range(200))


async def test_stream_keeps_messages_for_a_consumer(nats_port):
    async with connected(nats_port) as client:
        stream = client.jetstream()
        await stream.add_stream(name="kept", subjects=["kept.*"])
        for number in range(50):
            await stream.publish("kept.one", str(number).encode())
        consumer = await stream.pull_subscribe("kept.*", durable="reader")
        messages = await consumer.fetch(50, timeout=30)
        for message in messages:
            await message.ack()
        assert [message.data for message in messages] == [str(n).encode() for n in range(50)]


async def test_tls_with_each_engine(nats_tls_port, certificates, engine):
    context = certificates.client_context(engine)
    async with connected(nats_tls_port, tls=context, tls_hostname="localhost") as client:
        assert_engine(client._transport._io_writer.get_extra_info("ssl_object"), engine)
        subscription = await client.subscribe("large")
        payload = bytes(range(256)) * 3000
        await client.publish("large", payload)
        assert (await subscription.next_msg(timeout=30)).data == payload
