"""Loads an HTTP server with wrk: PORT SECONDS CONNECTIONS [SCHEME [PATH]]. Prints requests a second."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import urllib.request

WARM_UP = 100


def main() -> None:
    port, seconds, connections, *rest = sys.argv[1:]
    scheme, path = (*rest, *("http", "/")[len(rest) :])
    url = f"{scheme}://127.0.0.1:{port}{path}"
    _warm_up(url)
    # wrk knows whole seconds only.
    print(_load(url, connections, max(1, round(float(seconds)))))


def _warm_up(url: str) -> None:
    """Has the server see some requests before those that count."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    for _ in range(WARM_UP):
        with urllib.request.urlopen(url, context=trusting) as answer:
            answer.read()


def _load(url: str, connections: str, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s*([\d.]+)", printed)
    if rate is None or "Non-2xx" in printed or "Socket errors" in printed:
        raise RuntimeError(f"wrk had errors: {' '.join(printed.split())}")
    return float(rate[1])


if __name__ == "__main__":
    main()
