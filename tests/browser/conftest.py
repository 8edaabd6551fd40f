"""The example, served by HTTPS on rustls, and a Chromium that trusts its key and no other."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app"
PATIENCE = 60
"""Seconds that the server, or a step in the browser, may take."""

SERVER = """
import sys
import uvicorn
import zloop

def context_factory(config, default_factory):
    context = zloop.uvicorn_ssl_context(config, default_factory)
    print("engine", context.engine.name, flush=True)
    return context

uvicorn.run(
    "app:app",
    app_dir=sys.argv[1],
    port=0,
    loop="zloop:new_event_loop",
    ssl_certfile=sys.argv[2],
    ssl_context_factory=context_factory,
)
"""


@dataclass
class Served:
    """Where the example is served, by which engine, and what its public key's hash is."""

    address: str
    engine: str
    key_hash: str


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
    pem = folder / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    program = folder / "serve.py"
    program.write_text(SERVER)
    command = [sys.executable, program, EXAMPLE, pem]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout is not None
            engine = ""
            for line in server.stdout:
                if line.startswith("engine "):
                    engine = line.split()[1]
                if " running on " in line:
                    port = line.split("https://127.0.0.1:")[1].split()[0]
                    break
            else:
                raise AssertionError("the server did not start")
            yield Served(f"https://localhost:{port}", engine, _key_hash(certificate))
        finally:
            server.send_signal(signal.SIGINT)
            with contextlib.suppress(ValueError):
                server.communicate(timeout=PATIENCE)
    assert server.returncode == 0


def _key_hash(certificate: trustme.LeafCert) -> str:
    parsed = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser puts what it downloads."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(
    served: Served, downloads: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail("chromium and chromedriver are needed: Debian's chromium, chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",  # It refuses to run as root otherwise.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=900,1500",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
        f"--ignore-certificate-errors-spki-list={served.key_hash}",
    ):
        options.add_argument(argument)
    options.add_experimental_option(
        "prefs",
        {"download.default_directory": str(downloads), "download.prompt_for_download": False},
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = Chrome(options=options, service=ChromeService(driver))
    try:
        made.set_page_load_timeout(PATIENCE)
        yield made
    finally:
        made.quit()
