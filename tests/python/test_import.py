"""What `import zloop` brings in."""

import inspect
import pickle
import subprocess
import sys
import typing

import pytest

import zloop

# `typing` takes half as long to import as all of zloop, and asyncio alone does without it from 3.14 on.
PROGRAM = """
import asyncio
import sys
before = set(sys.modules)
import zloop
zloop.new_event_loop().close()
print(*sorted(set(sys.modules) - before))
"""

# What a program that only makes a loop does without.
IMPORTED_WHEN_ASKED_FOR = {
    "zloop._child",
    "zloop._policy",
    "zloop._race",
    "zloop._records",
    "zloop._run",
    "zloop._server_names",
    "zloop._ssl_context",
    "zloop._ssl_object",
    "zloop._subprocess_transport",
    "zloop._tracing",
}


def test_little_is_imported_beside_asyncio():
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True
    )
    imported = set(run.stdout.split())
    assert {name for name in imported if name.partition(".")[0] != "zloop"} <= {"__future__"}
    assert not imported & IMPORTED_WHEN_ASKED_FOR


@pytest.mark.parametrize("name", zloop.__all__)
def test_public_names_can_be_imported(name):
    program = f"from zloop import {name}; import zloop; assert {name} is zloop.{name}"
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def public_callables():
    for name in zloop.__all__:
        value = getattr(zloop, name)
        if callable(value):
            yield pytest.param(value, id=name)
        for attribute, member in vars(value).items() if inspect.isclass(value) else ():
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function):
                yield pytest.param(function, id=f"{name}.{attribute}")


@pytest.mark.parametrize("annotated", list(public_callables()))
def test_annotations_can_be_read_at_run_time(annotated):
    if sys.version_info < (3, 13) and getattr(annotated, "__type_params__", ()):
        pytest.skip("type parameters are looked up since CPython 3.13")
    typing.get_type_hints(annotated)


def test_what_is_told_is_of_the_package():
    metrics = zloop.Metrics(*[0] * 10, *[None] * 4)
    assert pickle.loads(pickle.dumps(metrics)) == metrics
    assert (zloop.Metrics.__module__, zloop.Engine.__module__) == ("zloop", "zloop")
