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
    parser.add_argument(
        "--tls", action="store_true", help="by HTTPS, with a certificate of its own"
    )
    options = parser.parse_args()
    purpose, packages = ("example-tls", ["trustme"]) if options.tls else ("example", [])
    try:
        example = zloop_environment(purpose, [EXAMPLE / "requirements.txt"], packages=packages)
    except StepFailed as error:
        fail(str(error))
    if options.tls:
        announce(f"serving on https://{options.host}:{options.port} (Ctrl-C stops)")
        program = ROOT / "scripts" / "serve_tls.py"
        command = [str(example.python), str(program)]
        command += ["--host", options.host, "--port", str(options.port)]
        os.execv(command[0], command)
    announce(f"serving on http://{options.host}:{options.port} (Ctrl-C stops)")
    command = [str(example.python), "-m", "uvicorn", "app:app"]
    command += ["--app-dir", str(EXAMPLE), "--loop", "zloop:new_event_loop"]
    command += ["--host", options.host, "--port", str(options.port)]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
