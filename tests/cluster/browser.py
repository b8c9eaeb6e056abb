"""A headless Chromium, spoken to by its protocol for developers over a pipe: no network beside the pages that it is sent to."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 30
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-default-browser-check",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe"]
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """One page. `events` has what the browser told about it since it was last emptied."""

    def __init__(self, program):
        self.profile = tempfile.mkdtemp()
        reads, self.write_end = os.pipe()
        self.read_end, writes = os.pipe()

        def keep_pipes():  # The protocol's are descriptors 3 and 4; first away from them, since they may be one another's.
            kept = [os.dup(reads), os.dup(writes)]
            kept = [os.dup2(end, 100 + k) for k, end in enumerate(kept)]
            for k, end in enumerate(kept):
                os.dup2(end, 3 + k)

        # What it leaves in TMPDIR, as it is killed, goes with its profile.
        self.process = subprocess.Popen([program, *FLAGS, "--user-data-dir=" + self.profile], preexec_fn=keep_pipes, close_fds=False,
                                        env={**os.environ, "TMPDIR": self.profile},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(reads)
        os.close(writes)
        self.calls = 0
        self.received = b""
        self.events = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _receive(self):
        while b"\0" not in self.received:
            if not select.select([self.read_end], [], [], PATIENCE)[0]:
                raise TimeoutError("the browser says nothing")
            some = os.read(self.read_end, 1 << 16)
            if not some:
                raise EOFError("the browser has ended")
            self.received += some
        message, self.received = self.received.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") != self.calls:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def view(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def open(self, url):
        # From elsewhere, so that another fragment of the same page is a page anew.
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def js(self, expression):
        """What an expression of JavaScript comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression):
        """Waits until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.js(f"!!({expression})"):
            if time.monotonic() > end:
                raise TimeoutError(f"this did not come true: {expression}\n{self.js('document.body.innerText')}")
            time.sleep(0.01)

    def press(self, *keys):
        for key in keys:
            code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            self.call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": "\r"} if key == "Enter" else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
