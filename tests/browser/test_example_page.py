"""A browser opens the example's page by HTTPS on rustls, and what it gets is right to the byte."""

from __future__ import annotations

import hashlib
import random
import re
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, Served
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PATTERN = bytes(range(256))
LARGE = 100_000_000


@pytest.fixture(autouse=True)
def page(browser: Chrome, served: Served) -> None:
    browser.get(f"{served.address}/")


def _text(browser: Chrome, identifier: str) -> str:
    return browser.find_element(By.ID, identifier).text


def _text_once(browser: Chrome, identifier: str, pattern: str) -> re.Match[str]:
    """Waits until an element's text fits the pattern."""

    def fits(_: object) -> re.Match[str] | None:
        return re.search(pattern, _text(browser, identifier))

    found = WebDriverWait(browser, PATIENCE).until(
        fits, f"{identifier} says {_text(browser, identifier)!r}"
    )
    assert found
    return found


def test_page_is_served_by_zloop_and_rustls(browser: Chrome, served: Served) -> None:
    assert served.engine == "rustls"
    _text_once(browser, "loop", "^zloop$")
    protocol = browser.execute_script(
        "return performance.getEntriesByType('navigation')[0].nextHopProtocol"
    )
    assert protocol == "http/1.1"
    assert browser.execute_script("return window.isSecureContext")


def test_websocket_talks(browser: Chrome) -> None:
    _text_once(browser, "state", "^open$")
    field = browser.find_element(By.ID, "text")
    field.clear()
    field.send_keys("Grüße an alle")
    browser.find_element(By.CSS_SELECTOR, "#echo button").click()
    _text_once(browser, "log", "Grüße an alle")
    browser.find_element(By.ID, "many").click()
    _text_once(browser, "log", "1000 messages there and back")


def test_binary_messages_come_back_as_they_were(browser: Chrome) -> None:
    sent = browser.execute_async_script(
        """
        const done = arguments[0];
        const bytes = Uint8Array.from({length: 3000000}, (_, index) => index * 7 % 251);
        const socket = new WebSocket(`wss://${location.host}/ws`);
        socket.binaryType = "arraybuffer";
        socket.onopen = () => socket.send(bytes);
        socket.onmessage = async event => {
            socket.close();
            done([await sha256(bytes), await sha256(event.data), event.data.byteLength]);
        };
        """
    )
    assert sent[0] == sent[1]
    assert sent[2] == 3_000_000


def test_upload(browser: Chrome, tmp_path: Path) -> None:
    content = random.Random(7).randbytes(20_000_000)
    file = tmp_path / "upload"
    file.write_bytes(content)
    browser.find_element(By.ID, "file").send_keys(str(file))
    browser.find_element(By.ID, "upload").click()
    found = _text_once(browser, "uploaded", r"uploaded (\d+) bytes, the same (\w{64})")
    assert found.groups() == (str(len(content)), hashlib.sha256(content).hexdigest())


def test_download_by_the_page(browser: Chrome) -> None:
    browser.find_element(By.ID, "download").click()
    found = _text_once(browser, "downloaded", r"downloaded (\d+) bytes in .* (\w{64})")
    expected = PATTERN * (16_000_000 // len(PATTERN))
    assert found.groups() == ("16000000", hashlib.sha256(expected).hexdigest())


def test_large_download_to_disk(browser: Chrome, downloads: Path) -> None:
    browser.execute_script(f"byId('file-link').href = '/download?size={LARGE}'")
    browser.find_element(By.ID, "file-link").click()
    file = downloads / "pattern"
    deadline = time.monotonic() + PATIENCE
    while not (file.exists() and file.stat().st_size == LARGE) and time.monotonic() < deadline:
        time.sleep(0.1)
    whole, rest = divmod(LARGE, len(PATTERN))
    assert file.read_bytes() == PATTERN * whole + PATTERN[:rest]
    file.unlink()


def test_metrics_are_drawn_live(browser: Chrome) -> None:
    _text_once(browser, "busy", r"^[\d.]+% busy$")
    _text_once(browser, "longest", r"The longest callback took [\d.]+ ms: \S+")
    numbers = _text(browser, "numbers")
    for name in ("callbacks a second", "turns a second", "connections", "received", "sent"):
        assert name in numbers
    few = browser.find_element(By.ID, "line").get_attribute("points") or ""
    WebDriverWait(browser, PATIENCE).until(
        lambda _: len(browser.find_element(By.ID, "line").get_attribute("points") or "") > len(few)
    )


def test_the_page_complains_of_nothing(browser: Chrome) -> None:
    _text_once(browser, "state", "^open$")
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert complaints == []
