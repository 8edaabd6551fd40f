"""What `make serve-tls` runs serves the example by HTTPS, by rustls, with a certificate made on the spot."""

import json
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "scripts" / "serve_tls.py"
PATIENCE = 30


@pytest.fixture(scope="module")
def served():
    """The authority's file, and the address."""
    command = [sys.executable, str(PROGRAM), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            said = ""
            for line in server.stdout:
                said += line
                if " running on " in line:
                    break
            found = re.search(r"--cacert (\S+) .* (https://127\.0\.0\.1:\d+)", said, re.DOTALL)
            assert found, said
            yield found.groups()
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=PATIENCE)


def test_it_answers_those_that_trust_its_authority(served):
    authority, address = served
    context = ssl.create_default_context(cafile=authority)
    with urllib.request.urlopen(f"{address}/loop", timeout=PATIENCE, context=context) as answer:
        assert json.load(answer) == {"loop": "zloop"}


def test_nobody_else_trusts_it(served):
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(served[1], timeout=PATIENCE)


def test_no_suite_but_rustls_ones_is_offered(served):
    """OpenSSL would take a suite that rustls does not have."""
    authority, address = served
    context = ssl.create_default_context(cafile=authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AES:!AESGCM:!AESCCM")
    with pytest.raises(urllib.error.URLError, match="_ALERT_"):
        urllib.request.urlopen(address, timeout=PATIENCE, context=context)
