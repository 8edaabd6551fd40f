"""What `import zloop` brings in."""

import subprocess
import sys

import pytest

# `typing` takes half as long to import as all of zloop, and asyncio alone does without it from 3.14 on.
PROGRAM = """
import asyncio
import sys
before = set(sys.modules)
import zloop
zloop.new_event_loop().close()
print(*sorted(name for name in set(sys.modules) - before if name.partition(".")[0] != "zloop"))
"""


def test_little_is_imported_beside_asyncio():
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True
    )
    assert set(run.stdout.split()) <= {"__future__"}


@pytest.mark.parametrize("name", ["Metrics", "SSLContext", "run"])
def test_public_names_can_be_imported(name):
    program = f"from zloop import {name}; import zloop; assert {name} is zloop.{name}"
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
