"""What `create_task` passes to a task factory, and what it refuses: as asyncio of the same release."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from conftest import FACTORIES, closing

CONTEXT = contextvars.copy_context()

KEYWORDS: dict[str, dict[str, object]] = {
    "none": {},
    "name": {"name": "given"},
    "no name": {"name": None},
    "context": {"context": CONTEXT},
    "no context": {"context": None},
    "both": {"name": "given", "context": CONTEXT},
    "eager": {"eager_start": True},
    "unknown": {"unknown": 1},
    "loop": {"loop": None},
}


class Nameless:
    """What a factory may make beside tasks."""


def outcome(loop, make_factory, keywords):
    """What the factory got, and what became of the call."""
    passed = []

    async def main():
        loop.set_task_factory(make_factory(passed))
        coroutine = asyncio.sleep(0)
        try:
            made = loop.create_task(coroutine, **keywords)
        except (TypeError, AttributeError) as error:
            coroutine.close()
            return type(error), str(error)
        finally:
            loop.set_task_factory(None)
        if not isinstance(made, asyncio.Task):
            return type(made)
        await made
        return type(made), made.get_name().split("-")[0]

    return loop.run_until_complete(main()), passed


def no_factory(_passed):
    return None


def of_tasks(passed):
    def factory(loop, coroutine, **keywords):
        passed.append(sorted(keywords))
        return asyncio.Task(coroutine, loop=loop, **keywords)

    return factory


def of_old(passed):
    def factory(loop, coroutine):
        passed.append("called")
        return asyncio.Task(coroutine, loop=loop)

    return factory


def of_others(_passed):
    def factory(_loop, coroutine, **_keywords):
        coroutine.close()
        return Nameless()

    return factory


@pytest.mark.filterwarnings("ignore:Task.set_name:DeprecationWarning")
@pytest.mark.parametrize("keywords", KEYWORDS.values(), ids=KEYWORDS)
@pytest.mark.parametrize("make_factory", [no_factory, of_tasks, of_old, of_others])
def test_factories_and_errors_are_asyncios(make_factory, keywords):
    outcomes = []
    for make_loop in FACTORIES.values():
        with closing(make_loop()) as loop:
            outcomes.append(outcome(loop, make_factory, keywords))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("count", [0, 2])
def test_one_coroutine_is_made_a_task(loop, count):
    coroutines = [asyncio.sleep(0) for _ in range(count)]
    with pytest.raises(TypeError, match=r"create_task\(\) (missing 1|takes 2) "):
        loop.create_task(*coroutines)
    for coroutine in coroutines:
        coroutine.close()


def test_the_coroutine_may_be_named(loop):
    async def main():
        return 5

    assert loop.run_until_complete(loop.create_task(coro=main())) == 5


def test_names_that_are_no_literals(loop):
    async def main():
        name = "".join(["na", "me"])
        return loop.create_task(asyncio.sleep(0), **{name: "given"}).get_name()

    assert loop.run_until_complete(main()) == "given"
