"""Serves examples/fastapi_app by HTTPS; serve.py --tls runs it in the example's environment.

A certificate is made on the spot, and the authority that vouches for it is left in .cache/tls.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import trustme
import uvicorn

import zloop

ROOT = Path(__file__).resolve().parent.parent
AUTHORITY = ROOT / ".cache" / "tls" / "authority.pem"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    options = parser.parse_args()
    authority = trustme.CA()
    AUTHORITY.parent.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(AUTHORITY)
    names = dict.fromkeys([options.host, "localhost", "127.0.0.1", "::1"])
    certificate = authority.issue_cert(*names)
    print(f"try: curl --cacert {AUTHORITY} https://localhost:{options.port}/", flush=True)
    sys.path.insert(0, str(ROOT / "examples" / "fastapi_app"))
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(pem)
        uvicorn.run(
            "app:app",
            host=options.host,
            port=options.port,
            loop="zloop:new_event_loop",
            ssl_certfile=pem,
            ssl_context_factory=zloop.uvicorn_ssl_context,
        )


if __name__ == "__main__":
    main()
