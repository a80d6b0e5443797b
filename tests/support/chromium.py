"""A headless Chromium, driven by the DevTools protocol; Debian has one in its package ``chromium``."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Path of the browser; None where there is none."""

TIMEOUT = 60.0
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "Escape": 27}
_TEXTS = {"Enter": "\r", "Space": " "}


class Browser:
    """One tab.

    :ivar problems: errors of scripts, and what the page's policy of contents has refused.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._do(f"{domain}.enable")

    @classmethod
    def attach(cls, port: int) -> Self:
        """Take the first tab of a browser that listens on a port."""
        end = time.monotonic() + TIMEOUT
        # It listens before it has opened its first tab.
        while (address := _first_tab(port)) is None:
            if time.monotonic() > end:
                raise AssertionError("Chromium opened no tab")
            time.sleep(0.05)
        return cls(connect(address, open_timeout=TIMEOUT, max_size=None, proxy=None, compression=None))

    def close(self) -> None:
        """Let go of the tab."""
        self._connection.close()

    def open(self, url: str) -> None:
        """Open a page, and wait until its scripts have begun."""
        self._do("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """Return what a script comes to, or what its promise does."""
        answer = self._do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until a script comes to something true."""
        end = time.monotonic() + TIMEOUT
        while not self._is_true(script):
            if time.monotonic() > end:
                raise AssertionError(f"never came true: {script}; the page says: {self.text('body')}")
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """Return the text that is shown in an element."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def press(self, key: str, times: int = 1) -> None:
        """Press a key, such as ``Tab``."""
        for _ in range(times):
            known = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
            text = {"text": _TEXTS[key]} if key in _TEXTS else {}
            self._do("Input.dispatchKeyEvent", type="keyDown", **known, **text)
            self._do("Input.dispatchKeyEvent", type="keyUp", **known)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._do("Input.insertText", text=text)

    def cookie(self, url: str, name: str, value: str) -> None:
        """Keep a cookie."""
        self._do("Network.setCookie", url=url, name=name, value=value)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window, and whether the user likes it dark."""
        self._do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._do("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is shown as PNG."""
        answer = self._do("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def tree(self) -> list[tuple[str, str]]:
        """Return role and name of everything that a screen reader meets."""
        nodes = self._do("Accessibility.getFullAXTree")["nodes"]
        shown = (node for node in nodes if not node.get("ignored"))
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]

    def _is_true(self, script: str) -> bool:
        try:
            return bool(self.evaluate(f"!!({script})"))
        except AssertionError:
            # The page is being changed for another.
            return False

    def _do(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(TIMEOUT))
            if message.get("id") == self._number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start a browser with nothing kept from before.

    :param folder: an empty folder for what it keeps.
    """
    assert PROGRAM is not None
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    own = [f"--user-data-dir={folder}", "--remote-debugging-port=0", "--no-proxy-server", "--disable-extensions"]
    environment = {**os.environ, "HOME": str(folder)}
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, *arguments, *own, "about:blank"], stdout=output, stderr=output, env=environment
        )
    try:
        browser = Browser.attach(_port(folder / "DevToolsActivePort", process))
        try:
            yield browser
        finally:
            browser.close()
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT)


def _first_tab(port: int) -> str | None:
    with _LOCAL.open(f"http://127.0.0.1:{port}/json/list", timeout=TIMEOUT) as answer:
        tabs = (target["webSocketDebuggerUrl"] for target in json.load(answer) if target["type"] == "page")
        return next(tabs, None)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + TIMEOUT
    while True:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= 2:
            return int(lines[0])
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"Chromium did not start; see {file.with_name('output.txt')}")
        time.sleep(0.05)
