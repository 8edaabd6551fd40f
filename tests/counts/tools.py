"""The tools that count: valgrind's callgrind for instructions and calls, strace for system calls.

binutils' addr2line says which lines of the sources instructions come from.

What they count is cut into segments at each mark: a call of getppid.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "getppid"
ALLOCATORS = frozenset({"malloc", "calloc", "realloc"})

# The same hashes each time, and so the same collisions in dictionaries.
STEADY = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Place:
    """A line of a source file; 0 if it is not known which."""

    path: str
    line: int


class Unavailable(Exception):
    """A tool is not there, or may not do its work here; the message says which and why."""


@dataclass(frozen=True)
class Segment:
    """What happened from one mark to the next; own instructions are those in zloop's native module.

    Those are counted by their addresses in the module, as addr2line takes them.
    """

    instructions: int
    own: Counter[str]
    allocations: int

    @property
    def own_instructions(self) -> int:
        """How many of the instructions were zloop's."""
        return self.own.total()


def python_program(name: str, *arguments: str) -> list[str]:
    """The command that runs one of the programs beside this file."""
    return [sys.executable, str(HERE / name), *arguments]


def by_callgrind(command: Sequence[str], *, every_allocation: bool) -> list[Segment]:
    """The segments between the marks of a command; with every allocation, Python's are malloc's too."""
    valgrind = _tool("valgrind")
    environment = {**os.environ, **STEADY}
    if every_allocation:
        environment["PYTHONMALLOC"] = "malloc"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        options = ["--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={MARK}"]
        # Names and addresses in full, wherever they are mentioned.
        options += ["--dump-instr=yes", "--compress-strings=no", "--compress-pos=no"]
        _run([valgrind, *options, *command], environment)
        dumps = sorted(out.parent.glob("out.*"), key=lambda path: int(path.suffix[1:]))
        # The first is what came before the first mark.
        return [_segment(path.read_text()) for path in dumps[1:]]


def _segment(dump: str) -> Segment:
    """Reads a file of callgrind's: costs by object (ob=), where a line behind calls= repeats a callee's."""
    instructions = allocations = 0
    own: Counter[str] = Counter()
    in_zloop = behind_call = False
    called = ""
    for line in dump.splitlines():
        if line.startswith("ob="):
            in_zloop = line.rpartition("/")[2].startswith("_zloop.")
        elif line.startswith("cfn="):
            called = line.removeprefix("cfn=")
        elif line.startswith("calls="):
            behind_call = True
            if called in ALLOCATORS:
                allocations += int(line.removeprefix("calls=").split()[0])
        elif line.startswith("0x"):
            if in_zloop and not behind_call:
                address, _line, cost = line.split()
                own[address] += int(cost)
            behind_call = False
        elif line.startswith("summary: "):
            instructions = int(line.removeprefix("summary: "))
    return Segment(instructions, own, allocations)


def frames_at(module: Path, addresses: Iterable[str]) -> dict[str, list[Place]]:
    """Where in the sources each address of a module is, from the innermost inlined function outwards."""
    wanted = list(addresses)
    command = [_tool("addr2line"), "--inlines", "--functions", "--addresses", "-e", str(module)]
    # Enough at once, and never too many for a command line.
    parts = (wanted[start : start + 5000] for start in range(0, len(wanted), 5000))
    return _frames("".join(_run([*command, *part], dict(os.environ)) for part in parts))


def _frames(printed: str) -> dict[str, list[Place]]:
    """Reads what addr2line prints: an address, and then a function and a place in turns."""
    frames: dict[str, list[Place]] = {}
    for block in re.split(r"^(?=0x)", printed, flags=re.MULTILINE)[1:]:
        address, *lines = block.splitlines()
        frames[hex(int(address, 16))] = [_place(line) for line in lines[1::2]]
    return frames


def _place(printed: str) -> Place:
    path, _, line = printed.partition(" (")[0].rpartition(":")
    return Place(path, int(line) if line.isdigit() else 0)


def by_strace(command: Sequence[str]) -> list[Counter[str]]:
    """How often each system call was made between the marks of a command."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        _run(traced(command, trace), {**os.environ, **STEADY})
        return segments_of(trace)


def traced(command: Sequence[str], trace: Path) -> list[str]:
    """The command under strace, with all its threads."""
    return [_tool("strace"), "-f", "-qq", "-o", str(trace), *command]


def segments_of(trace: Path) -> list[Counter[str]]:
    """The system calls in a file of strace's, counted from each mark to the next."""
    names = re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE)
    segments: list[Counter[str]] = [Counter()]
    for name in names:
        if name == MARK:
            segments.append(Counter())
        else:
            segments[-1][name] += 1
    return segments[1:-1]


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


def _run(command: Sequence[str], environment: dict[str, str]) -> str:
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    if finished.returncode != 0:
        # valgrind's own lines begin with ==.
        lines = [line for line in finished.stderr.splitlines() if not re.match("(==|--)", line)]
        tail = " / ".join(lines[-3:])
        raise Unavailable(f"{Path(command[0]).name} exited with {finished.returncode}: {tail}")
    return finished.stdout
