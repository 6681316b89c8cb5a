"""Opens a running daemon's page in Chromium, and reads the daemon's status for comparison."""

import json
import socket
import threading
import time
import urllib.request
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
SIZES = {"laptop": (1280, 800), "phone": (390, 844)}
# Time limit for any wait, in seconds; sufficient on a busy machine.
TIMEOUT = 60


class Daemon:
    """The daemon as seen over HTTP, independently of the page."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=10) as response:
            return json.load(response)

    def value(self, parameter):
        return self.get("/status")["parameters"].get(parameter)

    def wait_until(self, description, condition):
        """Polls a condition until it holds, and returns its result."""
        started, last = time.monotonic(), None
        while time.monotonic() - started < TIMEOUT:
            try:
                last = condition()
            except OSError as error:
                last = error
            else:
                if last:
                    return last
            time.sleep(0.05)
        raise AssertionError(f"timed out waiting until {description}; last: {last!r}; {self.get('/status')}")

    def wait_for_value(self, parameter, expected, within=1e-3):
        def holds():
            value = self.value(parameter)
            number = isinstance(expected, (int, float)) and not isinstance(expected, bool)
            # A daemon that has just started has no values yet.
            return value is not None and abs(value - expected) <= within if number else value == expected

        self.wait_until(f"{parameter} is {expected}", holds)


class Proxy:
    """A TCP proxy to the daemon that can lose everything, as a dead network does."""

    def __init__(self, port):
        self.target, self.delivers = port, True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in [(client, server), (server, client)]:
                threading.Thread(target=self.forward, args=(source, sink), daemon=True).start()

    def forward(self, source, sink):
        lost = False
        try:
            while data := source.recv(65_536):
                # A stream that has lost data cannot continue.
                lost = lost or not self.delivers
                if not lost:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Browser:
    """An instance of Chromium. `console` collects the messages and errors of its pages, and `external` their requests to other servers."""

    def __enter__(self):
        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        self.console, self.external = [], []
        return self

    def __exit__(self, *_):
        self.chromium.close()
        self.playwright.stop()

    def first_load(self, daemon, size):
        """Opens the page with an empty cache; returns the bytes received, headers included, and the seconds until it was usable."""
        context = self.chromium.new_context(viewport=dict(zip(("width", "height"), SIZES[size])))
        page = context.new_page()
        page.set_default_timeout(TIMEOUT * 1000)
        network, received = context.new_cdp_session(page), []
        network.on("Network.loadingFinished", lambda loaded: received.append(loaded["encodedDataLength"]))
        network.send("Network.enable")
        started = time.monotonic()
        page.goto(daemon.address + "/")
        page.wait_for_selector("body.ready")
        ready = time.monotonic() - started
        page.wait_for_selector("[data-preset]")
        page.wait_for_load_state("networkidle")
        context.close()
        return sum(received), ready

    def open(self, daemon, size, **options):
        width, height = SIZES[size]
        context = self.chromium.new_context(viewport={"width": width, "height": height}, color_scheme="dark", has_touch=size == "phone",
                                            is_mobile=size == "phone", accept_downloads=True, **options)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT * 1000)
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text} ({message.location['url']})"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error.name} {error.message} {error.stack}"))
        page.on("request", lambda request: self.external.append(request.url) if not is_local(request.url, daemon) else None)
        page.goto(daemon.address + "/")
        page.wait_for_selector("body.ready")
        wait_for(page, "document.querySelector('#chord-now').textContent !== '–'")
        return page


@contextmanager
def intercepted(page, pattern, handler):
    """Passes requests to a handler. The page reads from the daemon regularly, so a handler may still run at the end; it is awaited."""
    page.route(pattern, handler)
    yield
    page.unroute_all(behavior="wait")


def wait_for(page, expression):
    """Polls a JavaScript expression until it is true. Playwright's own `wait_for_function` needs `eval`, which the page forbids."""
    started = time.monotonic()
    while not page.evaluate(expression):
        assert time.monotonic() - started < TIMEOUT, f"timed out waiting for {expression}"
        time.sleep(0.05)


def delete(element):
    """Presses Delete in an element, and confirms. On a busy machine, the question may disappear before it is pressed."""
    for _ in range(TIMEOUT // 4):
        element.locator("text=Delete").click()
        try:
            return element.locator("text=Are you sure?").click(timeout=4000)
        except PlaywrightTimeout:
            continue
    raise TimeoutError("the deletion could not be confirmed")


def is_local(url, daemon):
    return url.startswith((daemon.address, "data:", "blob:", daemon.address.replace("http", "ws")))


def view(page, name):
    page.click(f"#tab-{name}")
    page.wait_for_selector(f"#view-{name}:not([hidden])")


def slide(page, selector, position):
    """Moves a fader to a position from 0 to 1, as user input does."""
    set_value = "(input, position) => { input.value = position; input.dispatchEvent(new Event('input', { bubbles: true })); }"
    page.locator(selector).evaluate(set_value, str(position))


def send_from_elsewhere(page, parameter, types, *arguments):
    """Sets a parameter as another client does; a chord that it leads is released when the page is left."""
    page.evaluate("""async ([parameter, types, args]) => {
        const { encode } = await import('/page/osc.js');
        window.elsewhere ??= await new Promise((resolve) => {
            const socket = new WebSocket(`ws://${location.host}/`);
            socket.onopen = () => resolve(socket);
        });
        window.elsewhere.send(encode(`/melos/${parameter}`, types, args));
    }""", [parameter, types, list(arguments)])


def accessibility_violations(page):
    """Returns the violations that axe finds on the page as shown."""
    # Contrast cannot be measured during a transition.
    page.emulate_media(reduced_motion="reduce")
    violations = Axe().run(page).response["violations"]
    page.emulate_media(reduced_motion="no-preference")
    return [(violation["id"], [node["html"][:160] for node in violation["nodes"][:3]], violation["nodes"][0]["failureSummary"][:300])
            for violation in violations]
