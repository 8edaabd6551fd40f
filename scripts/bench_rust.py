"""Compares zloop's crates with bare system calls and with other Rust libraries, and prints a table.

The servers run on one core and the client on another, or on the same where the two take turns. In each
round all libraries' servers are started, and then take turns; a row whose ratios may still be off by chance
is run for more rounds. The client of echoes is the program's own, that of HTTP is wrk, and the
micro-benchmarks are criterion's.
A whole run puts its tables into docs/performance-rust.md, any other one into a copy.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import system_packages
from workspace import RESULTS, ROOT, Argument, StepFailed, announce, fail, require_cargo, run

FOLDER = ROOT / "benchmarks" / "rust"
BUILT = ROOT / "target"
MEASURED = BUILT / "bench-rust"
PROGRAM = BUILT / "release" / "zloop-bench"

PLAIN = ("epoll", "zloop", "zloop-reactor", "mio", "calloop", "tokio")
TLS = ("tls-zloop", "tls-tokio")
HTTP = tuple(f"http-{kind}" for kind in PLAIN)

CRITERION = ((FOLDER, ("turn", "timers", "waker")), (ROOT, ("connection",)))

PAGE_OF_RESULTS = ROOT / "docs" / "performance-rust.md"
MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- end of measured -->)", re.DOTALL)

ANSWER = b"hello\n"

# Seconds for each benchmark, where criterion would take eight.
SHORT = ("--warm-up-time", "1", "--measurement-time", "2")

SERVER_CORE, CLIENT_CORE = 0, 1

PAGE = os.sysconf("SC_PAGE_SIZE")

# A row is settled when no ratio in it is off by more than this part of it.
SETTLED = 0.02

# As the comparison of loops has it.
sys.path.append(str(ROOT / "benchmarks"))
_results = importlib.import_module("results")
error_of_median: Callable[[list[float]], float] = _results.error_of_median
ratios_of_rounds: Callable[[list[float], list[float]], list[float]] = _results.ratios_of_rounds

# What a table shows of a library in a row, and the values it is of.
Summary = dict[str, Any]


@dataclass
class Measured:
    """What the rounds of one row gave for one library."""

    rates: list[float] = field(default_factory=list)
    """Messages a second."""
    costs: list[float] = field(default_factory=list)
    """Microseconds of the server's processor time for each message."""

    def summary(self, ours: Measured) -> Summary:
        """The medians, and those of zloop's ratios to it, round by round."""
        faster = ratios_of_rounds(ours.rates, self.rates)
        cheaper = ratios_of_rounds(self.costs, ours.costs)
        return {
            "rate": median(self.rates),
            "cost": median(self.costs),
            "faster": median(faster),
            "faster error": error_of_median(faster),
            "cheaper": median(cheaper),
            "cheaper error": error_of_median(cheaper),
            "rates": self.rates,
            "costs": self.costs,
        }


def summaries(measured: dict[str, Measured]) -> dict[str, Summary]:
    """Those of one row's libraries."""
    ours = next(found for kind, found in measured.items() if kind.endswith("zloop"))
    return {kind: found.summary(ours) for kind, found in measured.items()}


def is_settled(measured: dict[str, Measured]) -> bool:
    """Whether more rounds of a row would tell nothing new."""
    return all(
        max(found["faster error"], found["cheaper error"]) <= SETTLED
        for found in summaries(measured).values()
    )


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    kinds: Sequence[str]
    connections: int
    size: int = 0
    """Of a message; requests have none."""

    @property
    def most_turns(self) -> int:
        """wrk knows whole seconds only."""
        return 1 if self.size == 0 else 100

    @property
    def client_core(self) -> int:
        """The server's where they take turns: a message would else measure how a core wakes up."""
        return SERVER_CORE if self.connections == 1 else CLIENT_CORE


ROWS = (
    Row("echo of 1 KiB, 1 connection", PLAIN, 1, 1024),
    Row("echo of 1 KiB, 50 connections", PLAIN, 50, 1024),
    Row("echo of 16 KiB, 50 connections", PLAIN, 50, 16 * 1024),
    Row("TLS echo of 1 KiB, 1 connection", TLS, 1, 1024),
    Row("TLS echo of 1 KiB, 50 connections", TLS, 50, 1024),
    Row("HTTP by wrk, 1 connection", HTTP, 1),
    Row("HTTP by wrk, 50 connections", HTTP, 50),
)


def on_core(core: int) -> Callable[[], None]:
    """For Popen's preexec_fn: stays on one core, where there is more than one."""
    cores = sorted(os.sched_getaffinity(0))

    def pin() -> None:
        os.sched_setaffinity(0, {cores[core % len(cores)]})

    return pin


@contextmanager
def process(core: int, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The program, until the block ends."""
    with subprocess.Popen(
        [str(PROGRAM), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=on_core(core),
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def keys_of(kind: str, credentials: Path) -> list[Path]:
    """What a server of this kind and its client are told of where their credentials are."""
    return [credentials] if kind in TLS else []


def line_of(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    line = started.stdout.readline().strip()
    if not line:
        raise StepFailed(f"{started.args!r} ended early")
    return line


def processor_seconds(pid: int) -> float:
    """User and system time together, in the resolution that the scheduler has."""
    path = Path(f"/proc/{pid}/schedstat")
    return int(path.read_text().split()[0]) / 1e9


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


@dataclass
class Server:
    """One library's server in a row, and what its turns gave."""

    kind: str
    process: subprocess.Popen[str]
    address: str
    turns: Measured = field(default_factory=Measured)

    def measure(self, row: Row, seconds: float, credentials: Path) -> None:
        """Runs the client against it once: a turn."""
        if self.kind in HTTP:
            before = processor_seconds(self.process.pid)
            messages, rate = load_by_wrk(self.address, row, seconds)
        else:
            keys = keys_of(self.kind, credentials)
            load = ("load", self.address, row.connections, row.size, seconds, *keys)
            with process(row.client_core, *load) as client:
                line_of(client)
                before = processor_seconds(self.process.pid)
                messages, elapsed = map(float, line_of(client).split())
                rate = messages / elapsed
        used = processor_seconds(self.process.pid) - before
        self.turns.rates.append(rate)
        self.turns.costs.append(used / messages * 1e6)


def run_round(
    row: Row, measured: dict[str, Measured], turns: int, seconds: float, credentials: Path
) -> None:
    """Has fresh servers, all of them started first, take turns, in another order each time.

    A round gives one value, the median of its turns: many short ones meet more of a machine's moods than a
    long one, but a process has a speed of its own, so that only rounds make a value sure.
    """
    turns = min(turns, row.most_turns)
    with ExitStack() as stack:
        running = []
        for kind in measured:
            keys = keys_of(kind, credentials)
            started = stack.enter_context(process(SERVER_CORE, "serve", kind, *keys))
            running.append(Server(kind, started, line_of(started)))
        for _ in range(turns):
            for server in random.sample(running, len(running)):
                server.measure(row, seconds / turns, credentials)
    for server in running:
        measured[server.kind].rates.append(median(server.turns.rates))
        measured[server.kind].costs.append(median(server.turns.costs))


def load_by_wrk(address: str, row: Row, seconds: float) -> tuple[float, float]:
    """How many requests were answered, and how many a second; the first answer is looked at."""
    url = f"http://{address}/"
    with urllib.request.urlopen(url, timeout=30) as answer:
        body = answer.read()
    if body != ANSWER:
        raise StepFailed(f"{url} answered {body!r}")
    command = ["wrk", "-t1", f"-c{row.connections}", f"-d{max(1, round(seconds))}s", url]
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=on_core(row.client_core)
    )
    printed = finished.stdout
    requests = re.search(r"(\d+) requests in", printed)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", printed)
    has_errors = "Non-2xx" in printed or "Socket errors" in printed
    if finished.returncode != 0 or requests is None or rate is None or has_errors:
        raise StepFailed(f"wrk had errors: {' '.join((printed + finished.stderr).split())}")
    return float(requests[1]), float(rate[1])


def memory(kind: str, connections: int, credentials: Path) -> float:
    """What the server's memory grows by for each connection that is open and idle, in bytes."""
    keys = keys_of(kind, credentials)
    with process(SERVER_CORE, "serve", kind, *keys) as server:
        address = line_of(server)
        with process(CLIENT_CORE, "idle", address, 1, *keys) as first:
            line_of(first)
            before = resident_bytes(server.pid)
            with process(CLIENT_CORE, "idle", address, connections, *keys) as client:
                line_of(client)
                return (resident_bytes(server.pid) - before) / connections


def servers(options: argparse.Namespace) -> dict[str, dict[str, Summary]]:
    """All rows, round by round, then memory."""
    with tempfile.TemporaryDirectory() as folder:
        credentials = Path(folder)
        subprocess.run([PROGRAM, "credentials", credentials], check=True)
        measured = {row.name: {kind: Measured() for kind in row.kinds} for row in ROWS}
        for number in range(1, max(options.rounds, options.most_rounds) + 1):
            is_extra = number > options.rounds
            rows = [row for row in ROWS if not (is_extra and is_settled(measured[row.name]))]
            for place, row in enumerate(rows, 1):
                most = f"at most {options.most_rounds}" if is_extra else f"{options.rounds}"
                announce(f"round {number} of {most}, {place} of {len(rows)}: {row.name}")
                run_round(row, measured[row.name], options.turns, options.seconds, credentials)
        results: dict[str, dict[str, Summary]] = {
            name: summaries(kinds) for name, kinds in measured.items()
        }
        announce(f"memory of {options.idle} idle connections")
        results["memory of an idle connection"] = {
            kind: {"bytes": memory(kind, options.idle, credentials)} for kind in (*PLAIN, *TLS)
        }
    return results


def criterion(quick: bool) -> dict[str, float]:
    """The median time of each micro-benchmark, in nanoseconds."""
    shutil.rmtree(MEASURED, ignore_errors=True)
    for folder, benches in CRITERION:
        named = [word for bench in benches for word in ("--bench", bench)]
        command: list[Argument] = [
            "cargo",
            "bench",
            "--target-dir",
            BUILT,
            *named,
            "--",
            "--noplot",
        ]
        if folder == ROOT:
            command[2:2] = ["-p", "zloop-tls"]
        run(
            [*command, *(["--quick"] if quick else SHORT)],
            environment={"CRITERION_HOME": str(MEASURED)},
            cwd=folder,
        )
    found = {}
    for path in sorted(MEASURED.glob("*/*/new/estimates.json")):
        name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
        found[name] = json.loads(path.read_text())["median"]["point_estimate"]
    return found


def table(results: dict[str, dict[str, Summary]], micro: dict[str, float]) -> str:
    """Markdown; ratios above 1 mean that zloop does better."""
    lines = [
        "| row | on | messages a second | zloop / it | µs of processor a message | it / zloop |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, kinds in results.items():
        if name.startswith("memory"):
            continue
        for kind, found in kinds.items():
            faster, cheaper = (
                f"{found[what]:.2f}{within(found[f'{what} error'])}"
                for what in ("faster", "cheaper")
            )
            lines.append(
                f"| {name} | {kind} | {found['rate']:,.0f} | {faster} | {found['cost']:.2f} | {cheaper} |"
            )
    lines += ["", "| idle connection on | bytes |", "| --- | ---: |"]
    for kind, found in results["memory of an idle connection"].items():
        lines.append(f"| {kind} | {found['bytes']:,.0f} |")
    if micro:
        lines += ["", "| micro-benchmark | ns |", "| --- | ---: |"]
        lines += [f"| {name} | {nanoseconds:,.1f} |" for name, nanoseconds in micro.items()]
    return "\n".join(lines)


def within(error: float) -> str:
    """Such as ±1.5 %; nothing for one round, of which nobody knows it, and for zloop itself."""
    return f" ±{error * 100:.1f} %" if 0 < error < 1 else ""


def circumstances(options: argparse.Namespace) -> str:
    """The machine and the command, in a sentence."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = f"{os.cpu_count()} cores" + (f" of {models[0]}" if models else "")
    system = f"Linux {platform.release().partition('-')[0]}"
    rounds, most = options.rounds, options.most_rounds
    more = f", up to {most} where they varied," if most > rounds else ""
    turns = f"{options.turns} turns, {options.seconds:g} s together; wrk: one turn of a second"
    rounds = f"{rounds} rounds{more} of {turns}"
    return f"Measured on {date.today()} by `make bench-rust` ({rounds}), on {system}, {processor}."


def fill_page(tables: str, into: Path) -> None:
    """The document, with the tables where it has its marks."""
    filled, places = MARKED.subn(
        lambda marks: f"{marks[1]}\n{tables}\n\n{marks[2]}", PAGE_OF_RESULTS.read_text()
    )
    if places != 1:
        raise StepFailed(f"{PAGE_OF_RESULTS} has no marks for what is measured")
    into.write_text(filled)
    print(f"written: {into.relative_to(ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.6, help="for each library and round")
    parser.add_argument("--rounds", type=int, default=9, help="of each row")
    parser.add_argument("--most-rounds", type=int, default=27, help="of a row that varies")
    parser.add_argument("--turns", type=int, default=4, help="of each library in a round")
    parser.add_argument("--idle", type=int, default=5000, help="how many connections are idle")
    parser.add_argument("--quick", action="store_true", help="short, and good for nothing else")
    parser.add_argument("--no-criterion", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.turns, options.idle = 0.3, 1, 1, 200
        options.most_rounds = 1
    require_cargo()
    if system_packages.ensure("wrk"):
        fail("wrk is not installed")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = options.idle + 100
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    try:
        run(["cargo", "build", "--release", "--target-dir", BUILT], cwd=FOLDER)
        results = servers(options)
        micro = {} if options.no_criterion else criterion(options.quick)
        tables = table(results, micro)
        RESULTS.mkdir(parents=True, exist_ok=True)
        is_whole = bool(micro) and not options.quick
        page = PAGE_OF_RESULTS if is_whole else RESULTS / PAGE_OF_RESULTS.name
        fill_page(f"{circumstances(options)}\n\n{tables}", page)
    except StepFailed as error:
        fail(str(error))
    path = RESULTS / "bench-rust.json"
    path.write_text(json.dumps({"servers": results, "criterion": micro}, indent=2))
    print(tables)
    print(f"\nwritten: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
