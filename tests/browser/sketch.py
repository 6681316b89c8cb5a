"""Tests the p5.js example in a browser, served as its documentation says: `sketch.py HTTP_PORT OSC_PORT`."""

import colorsys
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from harness import TIMEOUT, Browser, Daemon, wait_for
from pythonosc.udp_client import SimpleUDPClient

EXAMPLE = Path("examples/p5js")
P5 = Path("tests/clients/node/node_modules/p5/lib/p5.min.js")
SIZE = {"width": 640, "height": 480}
# Red, green and blue of all pixels of a ring: brighter than the background, and not grey like the text.
RING = """() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const sums = [0, 0, 0, 0];
  for (let at = 0; at < data.length; at += 4) {
    const pixel = [data[at], data[at + 1], data[at + 2]];
    if (Math.max(...pixel) - Math.min(...pixel) < 60) continue;
    pixel.forEach((level, colour) => (sums[colour] += level));
    sums[3] += 1;
  }
  return sums;
}"""


def copy_example(folder, http_port):
    """Copies the example with the daemon's port and a local copy of p5, as the comment in index.html advises."""
    for name in ["melos.js", "sketch.js"]:
        text = (EXAMPLE / name).read_text()
        (folder / name).write_text(text.replace("9080", http_port))
    assert "9080" in (EXAMPLE / "melos.js").read_text(), "melos.js does not contain the default port"
    page = (EXAMPLE / "index.html").read_text()
    source = 'src="https://cdn.jsdelivr.net/npm/p5@1/lib/p5.min.js"'
    assert source in page, "index.html loads p5 from elsewhere"
    (folder / "index.html").write_text(page.replace(source, 'src="p5.min.js"'))
    shutil.copy(P5, folder)


def serve(folder):
    """Starts `python3 -m http.server --bind 127.0.0.1` in a folder, on a free port; returns the process and the address."""
    server = subprocess.Popen([sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    # "Serving HTTP on 127.0.0.1 port 41235 (http://127.0.0.1:41235/) ..."
    address = server.stdout.readline().split("(")[1].split(")")[0]
    with urllib.request.urlopen(address, timeout=10) as response:
        assert "sketch.js" in response.read().decode()
    return server, address


def wait_for_ring(page, low, high):
    """Waits until a ring is drawn whose hue, in degrees, is in a range that may pass 360."""
    started, hue = time.monotonic(), None
    while time.monotonic() - started < TIMEOUT:
        *sums, pixels = page.evaluate(RING)
        if pixels > 200:
            hue = 360 * colorsys.rgb_to_hsv(*(level / pixels / 255 for level in sums))[0]
            if low <= hue <= high or low <= hue + 360 <= high:
                return
        time.sleep(0.05)
    raise AssertionError(f"no ring with a hue from {low} to {high}; the last had {hue}")


def check_sketch(page, daemon, osc):
    canvas = page.locator("canvas").bounding_box()
    assert (canvas["width"], canvas["height"]) == (SIZE["width"], SIZE["height"]), canvas
    wait_for(page, "melos.connected && chord !== ''")
    print("connected", flush=True)
    wait_for_ring(page, 345, 375)
    print("draws rings in the colour of the mood", flush=True)
    osc.send_message("/melos/emotion", "sad")
    wait_for_ring(page, 205, 235)
    print("follows the mood", flush=True)
    page.mouse.move(320, 240)
    page.mouse.down()
    page.mouse.move(480, 120, steps=5)
    daemon.wait_for_value("valence", 0.5, 0.01)
    daemon.wait_for_value("arousal", 0.5, 0.01)
    page.mouse.up()
    print("sets valence and arousal", flush=True)


if __name__ == "__main__":
    http_port, osc_port = sys.argv[1:3]
    daemon, osc = Daemon(http_port), SimpleUDPClient("127.0.0.1", int(osc_port))
    # The page opens in a mood that does not change and is not the one with which the sketch starts.
    osc.send_message("/melos/glide", 0.0)
    osc.send_message("/melos/emotion", "angry")
    daemon.wait_for_value("emotion", "angry")
    with tempfile.TemporaryDirectory() as name, Browser() as browser:
        copy_example(Path(name), http_port)
        server, address = serve(name)
        try:
            page = browser.chromium.new_page(viewport=SIZE)
            page.set_default_timeout(TIMEOUT * 1000)
            page.on("console", lambda message: browser.console.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: browser.console.append(str(error)))
            page.on("request", lambda request: None if "//127.0.0.1:" in request.url else browser.external.append(request.url))
            page.goto(address)
            page.wait_for_selector("canvas")
            check_sketch(page, daemon, osc)
            # A browser asks for an icon that the example does not have.
            errors = [line for line in browser.console if "404" not in line]
            assert not errors, errors
            assert not browser.external, browser.external
        finally:
            server.terminate()
            server.wait()
