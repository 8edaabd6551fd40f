"""Builds the fuzz targets with the stable toolchain and runs each for a short time."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from workspace import CACHE, ROOT, StepFailed, announce, fail, require_cargo, run

FOLDER = ROOT / "fuzz"
BUILT = ROOT / "target"
CORPUS = CACHE / "fuzz" / "corpus"
FINDINGS = CACHE / "fuzz" / "findings"

TARGETS = ("timers", "write_buffer", "stream", "tls_states", "tls_bytes")

# How long one input may take, in seconds; far from what any takes, so that a busy machine fails none.
PATIENCE = 60

SLACK = 120


@dataclass
class Run:
    """What came of one target."""

    target: str
    is_good: bool
    runs: int
    output: str


def build() -> None:
    """Builds into the folder of the tests, whose dependencies serve here too."""
    run(
        ["cargo", "build", "--target-dir", BUILT],
        environment={"RUSTC_WRAPPER": str(ROOT / "scripts" / "instrumented_rustc.sh")},
        cwd=FOLDER,
    )


def fuzz(target: str, seconds: int) -> Run:
    """Runs a target on what earlier runs found interesting, and on what it makes of that."""
    corpus = CORPUS / target
    findings = FINDINGS / target
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        BUILT / "debug" / target,
        f"-max_total_time={seconds}",
        f"-timeout={PATIENCE}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
        "-verbosity=0",
        "-max_len=2000",
        corpus,
    ]
    try:
        finished = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + SLACK,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Run(target, False, 0, "it did not end")
    found = re.search(r"number_of_executed_units: (\d+)", finished.stdout)
    runs = int(found.group(1)) if found else 0
    return Run(target, finished.returncode == 0 and runs > 0, runs, finished.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="default: all")
    parser.add_argument("--seconds", type=int, default=15, help="for each target")
    parser.add_argument("--json", type=Path, help="write the totals to this file")
    options = parser.parse_args()
    require_cargo()
    try:
        build()
    except StepFailed as error:
        fail(str(error))
    failed = 0
    targets = options.targets or TARGETS
    with ThreadPoolExecutor(max_workers=2) as pool:
        for result in pool.map(lambda target: fuzz(target, options.seconds), targets):
            if result.is_good:
                announce(f"{result.target}: {result.runs} inputs, nothing found")
            else:
                failed += 1
                print(result.output)
                announce(f"{result.target}: FAILED, the input is in {FINDINGS / result.target}")
    if options.json:
        totals = {"passed": len(targets) - failed, "failed": failed, "skipped": 0}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(totals))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
