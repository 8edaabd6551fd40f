"""The exception handler, and what the default one logs."""

from __future__ import annotations

import asyncio
import contextvars
import logging

import pytest


def test_handler_is_set_and_reset(loop):
    def handler(loop, context):
        pass

    assert loop.get_exception_handler() is None
    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None
    with pytest.raises(TypeError, match=r"^A callable object or None is expected, got 'x'$"):
        loop.set_exception_handler("x")


def test_default_handler_logs_message_and_context(loop, caplog):
    error = ZeroDivisionError("on purpose")
    loop.default_exception_handler(
        {"message": "it failed", "exception": error, "zebra": 1, "answer": "forty-two"}
    )
    (record,) = caplog.records
    assert record.name == "asyncio"
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "it failed\nanswer: 'forty-two'\nzebra: 1"
    assert record.exc_info == (ZeroDivisionError, error, None)


def test_default_handler_without_message_or_exception(loop, caplog):
    loop.default_exception_handler({})
    (record,) = caplog.records
    assert record.getMessage() == "Unhandled exception in event loop"
    assert not record.exc_info


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("source_traceback", "Object created at (most recent call last):"),
        ("handle_traceback", "Handle created at (most recent call last):"),
    ],
)
def test_default_handler_formats_tracebacks(loop, caplog, key, title):
    loop.default_exception_handler({"message": "m", key: [("file.py", 7, "function", "code")]})
    (record,) = caplog.records
    place = '  File "file.py", line 7, in function\n    code'
    assert record.getMessage() == f"m\n{key}: {title}\n{place}"


def test_callbacks_error_is_reported(loop):
    reports = []
    loop.set_exception_handler(lambda *report: reports.append(report))

    def fail(_):
        1 / 0  # noqa: B018

    handle = loop.call_soon(fail, "argument")
    loop.call_soon(loop.stop)
    loop.run_forever()
    ((reporting, context),) = reports
    assert reporting is loop
    assert context["message"].startswith("Exception in callback test_callbacks_error_is_reported.")
    assert isinstance(context["exception"], ZeroDivisionError)
    assert context["handle"] is handle


def test_tasks_error_is_reported_when_nobody_awaits(loop):
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    async def fail():
        raise ZeroDivisionError

    async def main():
        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    (report,) = reports
    assert report["message"] == "Task exception was never retrieved"
    assert isinstance(report["exception"], ZeroDivisionError)


def test_failing_handler_is_reported_by_the_default_one(loop, caplog):
    def handler(loop, context):
        raise ZeroDivisionError("the handler")

    loop.set_exception_handler(handler)
    loop.call_exception_handler({"message": "original"})
    (record,) = caplog.records
    expected = "Unhandled error in exception handler\ncontext: {'message': 'original'}"
    assert record.getMessage() == expected
    assert record.exc_info[0] is ZeroDivisionError


def test_failing_default_handler_is_logged(loop, caplog):
    def failing(context):
        raise ZeroDivisionError

    loop.default_exception_handler = failing
    loop.call_exception_handler({"message": "original"})
    loop.set_exception_handler(lambda *_: 1 / 0)
    loop.call_exception_handler({"message": "original"})
    assert [record.getMessage() for record in caplog.records] == [
        "Exception in default exception handler",
        (
            "Exception in default exception handler while handling an unexpected error "
            "in custom exception handler"
        ),
    ]


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_passes_through_handlers(loop, fatal):
    def handler(loop, context):
        raise fatal

    loop.set_exception_handler(handler)
    with pytest.raises(fatal):
        loop.call_exception_handler({"message": "m"})
    loop.set_exception_handler(None)
    loop.default_exception_handler = lambda context: handler(loop, context)
    with pytest.raises(fatal):
        loop.call_exception_handler({"message": "m"})


def test_handler_runs_in_the_context_of_what_failed(loop):
    variable = contextvars.ContextVar("variable", default="outside")
    seen = []
    loop.set_exception_handler(lambda *_: seen.append(variable.get()))

    async def fail():
        variable.set("inside the task")
        raise ZeroDivisionError

    async def main():
        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert seen == ["inside the task"]
    context = contextvars.copy_context()
    context.run(variable.set, "inside the callback")
    loop.call_soon(lambda: 1 / 0, context=context)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == ["inside the task", "inside the callback"]
