"""Tests the page in a browser: `run.py PORT laptop|phone|restart|network|learn [FOLDER]`. With FOLDER, saves a screenshot there."""

import subprocess
import sys
import time

import files
import interface
import music
from harness import Browser, Daemon, Proxy, accessibility_violations, slide, view, wait_for

VIEWS = ["play", "mix", "piece", "takes", "setup"]
# Checks in the order in which they run; the first starts from the view "play".
CHECKS = [music.check_mood, music.check_presets, music.check_harmony, music.check_mixer, interface.check_spectrum_and_meters,
          music.check_scenes, music.check_show, music.check_undo, interface.check_keyboard, interface.check_focus, interface.check_large_text, interface.check_session, interface.check_long_names, interface.check_midi_learn_cancel, files.check_takes, files.check_pieces,
          interface.check_full_screen_and_themes, interface.check_forced_colours]


def check_all_parts(port, size, screenshots):
    daemon = Daemon(port)
    with Browser() as browser:
        loaded, ready = browser.first_load(daemon, size)
        print(f"first load: {loaded / 1000:.1f} kB, ready after {ready:.2f} s", flush=True)
        assert loaded < 150_000, f"the first load transfers {loaded} bytes"
        page = browser.open(daemon, size)
        for check in [files.check_first_minute, interface.check_health, music.check_transport]:
            check(page, daemon)
            print(f"{check.__name__} passed", flush=True)
        view(page, "play")
        for check in [*CHECKS, *([interface.check_touch] if size == "phone" else [])]:
            check(page, daemon)
            print(f"{check.__name__} passed", flush=True)
        for theme in ["dark", "light", "contrast"]:
            view(page, "setup")
            page.select_option("#theme", theme)
            for name in VIEWS:
                view(page, name)
                page.wait_for_timeout(300)
                violations = accessibility_violations(page)
                assert not violations, f"{theme} {name}: {violations}"
        print("axe found no violations", flush=True)
        check_two_tabs(browser, page, daemon, size)
        view(page, "setup")
        page.select_option("#theme", "dark")
        if screenshots:
            take_screenshot(page, daemon, size, screenshots)
        # A take may be renamed or deleted while the page reads it.
        others = [line for line in browser.console if not ("404" in line and "/takes/" in line)]
        assert not others, others
        assert not browser.external, browser.external
    files.check_http_requests(daemon)


def check_two_tabs(browser, page, daemon, size):
    """Checks that two tabs stay in sync."""
    other = browser.open(daemon, size)
    view(page, "play")
    page.click("[data-emotion=nostalgic][data-param]")
    other.wait_for_selector("[data-emotion=nostalgic][aria-label='Nostalgic, 100 percent']")
    other.keyboard.press("h")
    page.wait_for_selector("#hold[aria-pressed=true]")
    page.keyboard.press("h")
    other.wait_for_selector("#hold[aria-pressed=false]")
    # Without a mode of its own, the music takes one that suits the new mood a few bars later, and the chords of the scale change.
    page.select_option("#m-mode", "minor")
    for tab in (page, other):
        tab.locator("#key-now").filter(has_text=f"{daemon.value('key')} minor").wait_for(state="attached")
    # A chord latched on one page is shown on the other, which can release it.
    symbol = page.locator("[data-chord]").first.get_attribute("data-chord")
    page.click("#chord-keep")
    page.click(f"[data-chord='{symbol}']")
    daemon.wait_for_value("chord", symbol)
    other.wait_for_selector(f"[data-chord='{symbol}'][aria-pressed=true]")
    other.click("#chord-release")
    daemon.wait_for_value("chord", "auto")
    page.wait_for_selector(f"[data-chord='{symbol}'][aria-pressed=false]")
    other.wait_for_selector("#chord-release", state="hidden")
    page.click("#chord-keep")
    # A chord held on a page is released when the page closes.
    chord = other.locator("[data-chord]").first
    chord.scroll_into_view_if_needed()
    chord.hover()
    other.mouse.down()
    daemon.wait_until("the chord leads", lambda: daemon.value("chord") != "auto")
    other.close()
    daemon.wait_for_value("chord", "auto")
    other.context.close()
    print("two tabs stay in sync", flush=True)


def take_screenshot(page, daemon, size, screenshots):
    """Takes a screenshot for the documentation, showing a blend, a journey in progress and a few seconds of audio."""
    view(page, "play")
    page.click("[data-preset=tides]")
    daemon.wait_for_value("preset", "tides")
    page.wait_for_timeout(14_000)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0); document.querySelector('#toast').classList.remove('shown')")
    page.screenshot(path=f"{screenshots}/page{'-phone' if size == 'phone' else ''}.png")


def check_restart(port):
    """Checks that the page survives a restart of the daemon while playing audio, and then sends a change made in the meantime."""
    daemon = Daemon(port)
    with Browser() as browser:
        page = browser.open(daemon, "laptop")
        page.click("#listen")
        wait_for(page, "import('/page/listen.js').then((it) => it.delay > 0)")
        # An estimate after a few seconds is enough here; half a minute would give a better one.
        page.wait_for_timeout(3000)
        print(f"delay: {page.evaluate(DELAY):.3f} s", flush=True)
        view(page, "mix")
        print("ready for a restart", flush=True)
        page.wait_for_selector("#banner:not([hidden])")
        assert page.evaluate("document.body.classList.contains('offline')")
        page.locator("#f-reverb").evaluate("(input) => { input.value = 0.33; input.dispatchEvent(new Event('input', { bubbles: true })); }")
        # The button shows every press; the daemon faded out before it stopped.
        for playing in ["true", "false", "true"]:
            page.click("#play")
            page.wait_for_selector(f"#play.waiting[aria-pressed={playing}]")
        wait_for(page, "document.querySelector('#banner-text').textContent.includes('2 changes are pending')")
        print("a change is pending", flush=True)
        page.wait_for_selector("#banner", state="hidden")
        daemon.wait_for_value("reverb", 0.33, 0.01)
        daemon.wait_for_value("play", True)
        page.wait_for_selector("#play:not(.waiting)[aria-pressed=true]")
        wait_for(page, "import('/page/listen.js').then((it) => { it.resetDelay(); return true; })")
        wait_for(page, "import('/page/listen.js').then((it) => it.delay > 0)")
        assert page.inner_text("#listen") == "Listening"
        page.click("#listen")
        # Only the browser's own message about the lost connection is allowed on the console.
        others = [line for line in browser.console if "ERR_" not in line and "WebSocket" not in line]
        assert not others, others
    print("survived the restart", flush=True)


def check_dead_network(port):
    """Checks that, when the network delivers nothing, the page notices, keeps changes, and does not carry out actions late."""
    daemon, proxy = Daemon(port), Proxy(port)
    with Browser() as browser:
        page = browser.open(Daemon(proxy.port), "laptop")
        toast = page.locator("#toast")
        page.click("#panic")
        daemon.wait_until("panic is confirmed", lambda: toast.inner_text() == "Panic: all sound cut")
        # While the music is stopped, the daemon sends little but still answers.
        page.click("#play")
        daemon.wait_for_value("play", False)
        page.wait_for_timeout(6000)
        assert page.is_hidden("#banner"), page.inner_text("#banner")
        page.click("#play")
        daemon.wait_for_value("play", True)
        view(page, "mix")
        proxy.delivers = False
        slide(page, "#f-reverb", 0.42)
        page.click("#panic")
        page.wait_for_selector("#banner:not([hidden])", timeout=15_000)
        assert "One change is pending" in page.inner_text("#banner-text"), page.inner_text("#banner-text")
        refusal = "Not connected: panic was not carried out"
        assert toast.inner_text() == refusal, toast.inner_text()
        page.click("#record")
        assert toast.inner_text() == refusal.replace("panic", "record"), toast.inner_text()
        page.click("#panic")
        assert toast.inner_text() == refusal, toast.inner_text()
        # Requests in the background fail without any message other than the banner.
        page.wait_for_timeout(6000)
        assert toast.inner_text() == refusal, toast.inner_text()
        # Being disconnected does not make the page illegible.
        violations = accessibility_violations(page)
        assert not violations, violations
        before = daemon.get("/status")["osc_received"]
        proxy.delivers = True
        page.wait_for_selector("#banner", state="hidden")
        daemon.wait_for_value("reverb", 0.42, 0.01)
        page.wait_for_timeout(1000)
        assert daemon.value("record") is False and daemon.get("/status")["osc_received"] > before
        assert toast.inner_text() == "Reconnected", toast.inner_text()
        others = [line for line in browser.console if "ERR_" not in line and "WebSocket" not in line]
        assert not others, others
    print("noticed the dead network", flush=True)


def check_midi_learn(port):
    """Checks MIDI learn under JACK, with a simulated device whose knobs move."""
    daemon = Daemon(port)
    with Browser() as browser:
        page = browser.open(daemon, "laptop")
        interface.check_midi_learn(page, daemon, lambda: subprocess.run([sys.executable, "tests/clients/jack_midi_send.py", "melos:midi_in", "controls"], check=True))
        assert not browser.console, browser.console


DELAY = "import('/page/listen.js').then((it) => it.delay)"

if __name__ == "__main__":
    started = time.monotonic()
    port, mode = sys.argv[1:3]
    if mode == "restart":
        check_restart(port)
    elif mode == "network":
        check_dead_network(port)
    elif mode == "learn":
        check_midi_learn(port)
    else:
        check_all_parts(port, mode, sys.argv[3] if len(sys.argv) > 3 else None)
    print(f"took {time.monotonic() - started:.0f} s")
