"""The table of methods says what the class has."""

import asyncio
import re
import types

from pages import ROOT

import zloop

PAGE = (ROOT / "docs" / "compatibility.md").read_text()
TABLE = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE, re.MULTILINE))


def test_every_method_of_the_abstract_loop_is_in_the_table():
    declared = {name for name in dir(asyncio.AbstractEventLoop) if not name.startswith("_")}
    assert declared == set(TABLE)


def test_every_method_is_written_where_the_table_says():
    assert {name: _written_in(name) for name in TABLE} == TABLE


def test_what_is_beyond_asyncio_is_named():
    public = {name for name in dir(zloop.Loop) if not name.startswith("_")}
    beyond = public - set(TABLE)
    assert "metrics" in beyond
    assert {name for name in beyond if f"`{name}`" not in PAGE} == set()


def _written_in(name):
    owner = next(each for each in zloop.Loop.__mro__ if name in vars(each))
    if isinstance(vars(owner)[name], types.MethodDescriptorType):
        return "Rust"
    return "nowhere" if owner is asyncio.AbstractEventLoop else "Python"
