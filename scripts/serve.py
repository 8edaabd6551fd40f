"""Serves examples/fastapi_app by uvicorn on a zloop loop."""

from __future__ import annotations

import argparse
import os

from workspace import ROOT, StepFailed, announce, fail
from zloop_build import zloop_environment

EXAMPLE = ROOT / "examples" / "fastapi_app"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    try:
        example = zloop_environment("example", [EXAMPLE / "requirements.txt"])
    except StepFailed as error:
        fail(str(error))
    announce(f"serving on http://{options.host}:{options.port} (Ctrl-C stops)")
    command = [str(example.python), "-m", "uvicorn", "app:app"]
    command += ["--app-dir", str(EXAMPLE), "--loop", "zloop:new_event_loop"]
    command += ["--host", options.host, "--port", str(options.port)]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
