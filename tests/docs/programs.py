"""Runs the programs of a page, each in a process of its own, in a folder that they share."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import trustme
from pages import Block

PATIENCE = 40
"""Seconds that one program may take."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class Programs:
    """The programs of one page; `server.pem` and `server.key` are there for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
        certificate.private_key_pem.write_to_path(folder / "server.key")
        self._tls = ssl.create_default_context()
        authority.configure_trust(self._tls)

    def run(self, block: Block) -> None:
        """Runs a program to its end, keeps it as a file, or has it serve, as the page says."""
        match block.directive:
            case "file":
                (self.folder / block.argument).write_text(block.text)
            case "serves":
                self._serve(block)
            case _:
                self._finish(self._start(block.text), block)

    def _start(self, text: str) -> subprocess.Popen[str]:
        program = self.folder / "program.py"
        program.write_text(text)
        return subprocess.Popen(
            [sys.executable, "-X", "dev", program.name],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _finish(self, process: subprocess.Popen[str], block: Block) -> None:
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise AssertionError(f"{block.place} does not end:\n{output}") from None
        assert process.returncode == 0, f"{block.place} failed:\n{output}"
        assert "Traceback" not in output, f"{block.place}:\n{output}"

    def _serve(self, block: Block) -> None:
        """Has it serve on a port that is free, compares the answer, and interrupts it."""
        url, expected = block.argument.split(" -> ")
        port = re.findall(r":(\d+)/", url)[0]
        free = str(_free_port())
        assert port in block.text, f"{block.place} serves another port"
        process = self._start(block.text.replace(port, free))
        try:
            answer = self._ask(url.replace(port, free), process)
        finally:
            process.send_signal(signal.SIGINT)
            self._finish(process, block)
        assert answer == expected, block.place

    def _ask(self, url: str, process: subprocess.Popen[str]) -> str | None:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=PATIENCE, context=self._tls) as answer:
                    text: str = answer.read().decode()
                    return text
            except urllib.error.URLError:
                time.sleep(0.1)
        return None
