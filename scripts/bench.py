"""Runs the benchmarks in an environment that has the other loops, of which it makes one first.

    make bench ARGUMENTS="--on 3.14 --rows echo"

After a run of every row on every loop comes what metrics and tracing cost while they are off, which is
counted, not timed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys

import system_packages
from interpreters import find_interpreter
from workspace import ROOT, SUPPORTED_PYTHONS, StepFailed, announce, fail, run
from zloop_build import zloop_environment

NOT_FOUND = """\
no CPython {0} was found (looked for python{0} on PATH, in /usr/local/bin and /opt/python, and in pyenv's
and uv's folders{1}).
Install one, for example:
    apt-get install python{0} python{0}-venv python{0}-dev    (Debian, Ubuntu)
    dnf install python{0}-devel                                 (Fedora)
    pyenv install {0}                                           (pyenv)
or name one in place of --on:  make bench PYTHON=/path/to/python{0}
or have it run elsewhere:  ZLOOP_PYTHONS_ENTER=COMMAND, for COMMAND python{0} ..."""


def main() -> None:
    choice = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    choice.add_argument("--on", type=_version, metavar="VERSION", help="of CPython, such as 3.14")
    sys.path.append(str(ROOT / "benchmarks"))
    benchmarks = importlib.import_module("options")
    options = benchmarks.parse("make bench", __doc__, [choice])
    arguments = choice.parse_known_args()[1]
    try:
        if options.on:
            run([*_interpreter(options.on), "scripts/bench.py", *arguments])
        else:
            _bench(
                arguments,
                every_row=not options.rows,
                is_whole=benchmarks.is_whole(options),
                is_counted=options.counted,
            )
    except StepFailed as error:
        fail(str(error))


def _bench(arguments: list[str], *, every_row: bool, is_whole: bool, is_counted: bool) -> None:
    timing = ("wrk", *(system_packages.COUNTERS if is_whole else ()))
    missing = system_packages.ensure(*(("valgrind", "strace") if is_counted else timing))
    if missing and is_counted:
        fail(f"counting needs {', '.join(missing)}: install it by hand")
    if missing and every_row:
        fail(f"every row needs {', '.join(missing)}: install it by hand, or choose --rows")
    requirements = [ROOT / "benchmarks" / "requirements.txt"]
    # As it is released.
    bench = zloop_environment("bench", requirements, profile_guided=True)
    if not is_counted:
        _build_programs()
    run([bench.python, "benchmarks", *arguments])
    if is_whole and not is_counted:
        announce("what metrics and tracing cost")
        run([bench.python, "tests/counts", "--observing"])


def _build_programs() -> None:
    announce("building the programs that load servers, and that do without a loop")
    for program in (
        "zloop-net --example socket_load",
        "zloop-tls --example tls_load --features ring",
        "bare-rows",
    ):
        run(["cargo", "build", "--quiet", "--release", "--package", *program.split()])


def _version(text: str) -> str:
    """A version of CPython that zloop can be built for."""
    if not re.fullmatch(r"\d+\.\d+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text} is no version such as {SUPPORTED_PYTHONS[-1]}")
    if _numbers(text) < _numbers(SUPPORTED_PYTHONS[0]):
        raise argparse.ArgumentTypeError(
            f"{text} is too old: {SUPPORTED_PYTHONS[0]} is the oldest that zloop runs on"
        )
    return text


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _interpreter(version: str) -> list[str]:
    """The command that starts a version of CPython, or a word about how to come by one."""
    found = find_interpreter(version)
    if found is None:
        enter = os.environ.get("ZLOOP_PYTHONS_ENTER")
        fail(NOT_FOUND.format(version, f", and through {enter}" if enter else ""))
    return found


if __name__ == "__main__":
    main()
