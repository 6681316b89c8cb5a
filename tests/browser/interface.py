"""Checks the rest of the page: health, spectrum and meters, MIDI learn, keyboard, long names, touch, full screen and themes."""

import time

from harness import delete, intercepted, slide, view, wait_for


def check_health(page, daemon):
    sentence = page.inner_text("#sentence")
    assert "Melos" not in sentence and len(sentence) > 5, sentence
    assert page.get_attribute("#health", "data-health") in ("good", "warn"), sentence
    page.click("#health")
    daemon.wait_until("the figures are shown", lambda: "null output" in page.inner_text("#figures"))
    daemon.wait_until("the log is shown", lambda: page.locator("#log li").count() > 0)
    for on in (True, False):
        page.click("#panel-health [data-param='economy']")
        daemon.wait_for_value("economy", on)
    page.click("#figures-reset")
    # An output that is lost is not shown as if it played.
    def lose_output(route):
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "state": "no-device", "output": "JACK: speakers"})

    with intercepted(page, "**/status", lose_output):
        page.evaluate("dispatchEvent(new Event('hashchange'))")
        daemon.wait_until("the loss is shown", lambda: "none (lost: JACK: speakers)" in page.inner_text("#figures"))
    # After the daemon has restarted and counts from 0 again, the counts saved at the last reset do not hide new ones.
    page.evaluate("sessionStorage.setItem('melos.zero', JSON.stringify({ xruns: 1000 }))")
    # Until the status has been read, the page does not claim that all is well.
    held, released = [], []
    with intercepted(page, "**/status", lambda route: route.continue_() if released else held.append(route)):
        page.reload()
        daemon.wait_until("a chord is shown", lambda: page.evaluate("document.querySelector('#chord-now')?.textContent ?? '–'") != "–")
        assert page.inner_text("#sentence") == "Connecting…", page.inner_text("#sentence")
        released.append(True)
        for route in held:
            route.continue_()
        page.locator("#sentence").filter(has_not_text="Connecting…").wait_for(state="attached")
    daemon.wait_until("the old count is dropped", lambda: "xruns" not in page.evaluate("sessionStorage.getItem('melos.zero')"))
    # The counters are described in words; those at zero are shown on request.
    page.click(".counters summary")
    daemon.wait_until("the counters are shown", lambda: "Times the audio device was lost" in page.inner_text("#counters"))
    names = {row["name"] for row in daemon.get("/losses")["losses"]}
    assert names == set(daemon.get("/status")["losses"]), names


def check_spectrum_and_meters(page, daemon):
    count = """() => new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/`);
        const seen = { spectrum: 0, meters: 0, outlook: 0, bytes: 0 };
        socket.binaryType = 'arraybuffer';
        socket.onopen = () => Object.keys(seen).forEach((name) => socket.send(JSON.stringify({ COMMAND: 'LISTEN', DATA: `/melos/${name}` })));
        socket.onmessage = ({ data }) => {
            const address = new TextDecoder().decode(new Uint8Array(data)).split('\\0')[0];
            seen[address.slice(7)] += 1;
            seen.bytes += data.byteLength;
        };
        setTimeout(() => (socket.close(), resolve(seen)), 3000);
    })"""
    seen = page.evaluate(count)
    assert 30 <= seen["spectrum"] <= 70 and seen["meters"] >= 45, seen
    assert seen["bytes"] / 3 < 12_000, seen
    # The spectrogram is drawn in many colours.
    colours = page.evaluate("""() => {
        const canvas = document.querySelector('#picture');
        const { data } = canvas.getContext('2d').getImageData(Math.floor(canvas.width * 0.5), 40, Math.floor(canvas.width * 0.2), 60);
        return new Set(Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 3).join())).size;
    }""")
    assert colours > 50, colours


def check_midi_learn_cancel(page, daemon):
    view(page, "setup")
    assert "No MIDI device" in page.inner_text("#midi-devices")
    view(page, "mix")
    select = page.tap if page.evaluate("navigator.maxTouchPoints > 0") else page.click
    thumb = page.input_value("#f-reverb")
    page.click("#learn")
    select("#f-reverb")
    daemon.wait_until("Melos is learning", lambda: daemon.get("/midi")["learning"] == "reverb")
    assert "“reverb”" in page.inner_text("#learning-text")
    assert page.input_value("#f-reverb") == thumb
    # Another control can be selected instead, including the arousal axis.
    for name, selector in [("width", "#f-width"), ("arousal", ".axis.arousal")]:
        if name == "arousal":
            view(page, "play")
        select(selector)
        daemon.wait_until("Melos is learning the other control", lambda: daemon.get("/midi")["learning"] == name)
        page.wait_for_timeout(500)
        assert f"“{name}”" in page.inner_text("#learning-text"), page.inner_text("#learning-text")
    # Buttons that fire a trigger are selected too; other controls have no effect.
    preset = daemon.value("preset")
    for selector, name in [("#panic", "panic"), ("#preset-next", "preset/next"), ("#scene-undo", "scene/undo")]:
        select(selector)
        daemon.wait_until("Melos is learning the button", lambda: daemon.get("/midi")["learning"] == name)
    select("[data-preset=tides]")
    page.wait_for_selector("#toast.shown:has-text('cannot be learned')")
    page.keyboard.press("h")
    view(page, "mix")
    select("[aria-label='Solo Bass']")
    page.wait_for_timeout(500)
    assert daemon.get("/midi")["learning"] == "scene/undo" and daemon.value("preset") == preset
    assert not daemon.value("hold") and not daemon.value("mute/network")
    page.click("#learning-end")
    daemon.wait_until("Melos is no longer learning", lambda: daemon.get("/midi")["learning"] is None)
    # The fader does not move after it has been selected.
    before = daemon.value("reverb")
    time.sleep(0.2)
    assert daemon.value("reverb") == before


def check_midi_learn(page, daemon, move):
    """Binds a device's knob by selecting a fader and then moving the knob with `move`."""
    view(page, "mix")
    page.click("#learn")
    page.click("#f-reverb")
    daemon.wait_until("Melos is learning", lambda: daemon.get("/midi")["learning"] == "reverb")
    move()
    page.wait_for_selector("#learning", state="hidden")
    # Of all the controls that move, the one that sends the most messages is learned.
    learned = daemon.wait_until("the knob is bound", lambda: daemon.get("/midi")["learned"])
    assert [bound["parameters"] for bound in learned] == [["reverb"]] and "cc = 21" in learned[0]["block"], learned
    view(page, "setup")
    daemon.wait_until("the binding is shown", lambda: "CC 21" in page.inner_text("#midi-bound"))
    with page.expect_download() as download:
        page.click("#midi-bound a")
    mapping = download.value.path().read_text()
    assert "cc = 21" in mapping and 'to = "reverb"' in mapping, mapping
    page.click("[aria-label='Forget the learned controls of reverb']")
    daemon.wait_until("the binding is forgotten", lambda: not daemon.get("/midi")["learned"])
    daemon.wait_until("no binding is shown", lambda: "CC 21" not in page.inner_text("#midi-bound"))


def check_keyboard(page, daemon):
    """Checks that the focus stays on a control when its list changes, and that Space activates the focused control without stopping the music."""
    view(page, "play")
    focused = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    page.focus("[data-preset=angry]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-preset=angry][aria-current]")
    assert page.evaluate("document.activeElement.dataset.preset") == "angry"
    page.focus("[aria-label='Storm starred']")
    for pressed in ["true", "false"]:
        page.keyboard.press("Enter")
        page.wait_for_selector(f"[aria-label='Storm starred'][aria-pressed={pressed}]")
        assert page.evaluate(focused) == "Storm starred"
    page.fill("#scene-name", "Focus")
    page.keyboard.press("Enter")
    page.focus("[aria-label='Edit scene Focus']")
    page.keyboard.press("Enter")
    page.wait_for_selector(".editor")
    assert page.evaluate(focused) == "Edit scene Focus"
    page.focus("[data-scene=Focus]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-scene=Focus][aria-current]")
    assert page.evaluate("document.activeElement.dataset.scene") == "Focus"
    delete(page.locator(".editor"))
    view(page, "setup")
    opened = page.evaluate("document.querySelector('.counters').open")
    page.focus(".counters summary")
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelector('.counters').open") != opened
    page.focus("#tab-setup")
    page.keyboard.press(" ")
    page.wait_for_timeout(500)
    assert daemon.value("play") is True


def check_focus(page, daemon):
    """Checks that no bar covers the control that has the focus, whichever way the focus moves."""
    covered = """() => {
        const bars = [...document.querySelectorAll('header, .transports, #tabs')].filter((it) => ['sticky', 'fixed'].includes(getComputedStyle(it).position));
        const controls = [...document.querySelectorAll('a, button:enabled, input:enabled, select, summary, [tabindex]')].filter((it) => it.offsetParent && !bars.some((bar) => bar.contains(it)));
        const faults = [];
        for (const control of [...controls, ...controls.toReversed()]) {
            control.focus();
            const box = control.getBoundingClientRect();
            // A control that is higher than the space between the bars cannot be uncovered.
            if (box.height > innerHeight / 2) continue;
            const [top, bottom] = [Math.max(0, box.top), Math.min(innerHeight, box.bottom)];
            const isCovered = bars.map((bar) => bar.getBoundingClientRect()).some((bar) => bar.top < box.bottom - 1 && bar.bottom > box.top + 1);
            if (isCovered || bottom - top < box.height - 1) faults.push(`${control.outerHTML.slice(0, 80)} ${box.top} ${box.bottom}`);
        }
        return [controls.length, faults];
    }"""
    size = page.viewport_size
    for other in [size, *([{"width": 667, "height": 375}] if size["width"] > 700 else [])]:
        page.set_viewport_size(other)
        for name in ["play", "mix", "piece", "setup"]:
            view(page, name)
            count, faults = page.evaluate(covered)
            assert count > 10 and not faults, (other, name, faults)
    page.set_viewport_size(size)
    page.evaluate("document.activeElement.blur()")


def check_large_text(page, daemon):
    """Checks that text at twice its size, as set in the browser, is never wider than the screen."""
    session = page.context.new_cdp_session(page)
    session.send("Page.enable")
    for size in (32, 16):
        session.send("Page.setFontSizes", {"fontSizes": {"standard": size}})
        wait_for(page, f"getComputedStyle(document.documentElement).fontSize === '{size}px'")
        for name in ["play", "mix", "piece", "takes", "setup"]:
            view(page, name)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"with text of {size} pixels, {name} is {wide} pixels wider than the screen"
    session.detach()


def check_session(page, daemon):
    view(page, "setup")
    for name, position, value in [("play/fade", 0.2, 600 * 0.2**3), ("modulation", 0.5, 0.5)]:
        before = daemon.value(name)
        slide(page, f"#f-{name.replace('/', '-')}", position)
        daemon.wait_for_value(name, value, 0.01)
        page.click("#undo")
        daemon.wait_for_value(name, before, 0.01)
    seed = daemon.value("seed")
    page.fill("#seed", "1.5")
    page.press("#seed", "Enter")
    page.wait_for_selector("#toast.shown:has-text('The seed must be a whole number')")
    assert page.input_value("#seed") == f"{seed:.0f}"
    page.fill("#seed", "77")
    page.press("#seed", "Enter")
    daemon.wait_for_value("seed", 77)


def check_long_names(page, daemon):
    """Checks that long scene names and the longest chord and mode names fit."""
    view(page, "play")
    name = "W" * 60
    page.fill("#scene-name", name)
    page.click("#scene-store")
    page.wait_for_selector(f"[data-scene={name}]")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate("document.querySelector('.slots').scrollWidth - document.querySelector('.slots').clientWidth") <= 0
    page.click(f"[aria-label='Edit scene {name}']")
    delete(page.locator(".editor"))
    room = page.evaluate("""() => {
        const select = document.querySelector('#m-mode');
        const context = document.createElement('canvas').getContext('2d');
        context.font = getComputedStyle(select).font;
        // The space that the text, the padding and the arrow leave.
        return select.clientWidth - context.measureText('Harmonic minor').width - 2 * parseFloat(getComputedStyle(select).paddingLeft) - 18;
    }""")
    assert room >= 0, f"the name of the mode is {-room} pixels too wide"
    size = page.viewport_size
    page.set_viewport_size({"width": 1920, "height": 1080})
    cut = page.evaluate("""() => {
        const [now, next] = ['now', 'next'].map((it) => document.querySelector(`#chord-${it}`));
        const [before, after] = [now.textContent, next.textContent];
        now.textContent = 'Cmaj7';
        next.textContent = '→ Fmaj7';
        const cut = now.parentElement.scrollWidth - now.parentElement.clientWidth;
        [now.textContent, next.textContent] = [before, after];
        return cut;
    }""")
    page.set_viewport_size(size)
    assert cut <= 0, f"the next chord is {cut} pixels too wide"


def check_touch(page, daemon):
    """Checks that scrolling with a finger moves no control, that dragging moves a fader and the mood, and that a long touch is a long press."""
    view(page, "play")
    session = page.context.new_cdp_session(page)

    def swipe(selector, right, down):
        control = page.locator(selector)
        control.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        box = control.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + right * step, "y": y + down * step}]})
            page.wait_for_timeout(30)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(300)

    slide(page, "#f-density", 0.1)
    daemon.wait_for_value("density", -0.8, 0.01)
    before = page.evaluate("scrollY")
    swipe("#f-density", 0, -12)
    assert page.evaluate("scrollY") > before + 20, "the page should scroll"
    assert page.input_value("#f-density") == "0.1" and abs(daemon.value("density") + 0.8) < 0.01, daemon.value("density")
    mood = daemon.value("emotion/sad")
    swipe("[data-emotion=sad][data-param]", 0, -12)
    assert daemon.value("emotion/sad") == mood
    swipe("#f-density", 6, 0)
    daemon.wait_until("the fader has moved", lambda: daemon.value("density") > 0.1)
    # The pad follows a finger in both directions, and the page does not scroll.
    before = page.evaluate("scrollY")
    swipe("#pad", 8, -8)
    daemon.wait_until("the mood has moved", lambda: daemon.value("valence") > 0.3 and daemon.value("arousal") > 0.3)
    emotion = page.locator("[data-emotion=sad][data-param]")
    emotion.tap()
    daemon.wait_for_value("emotion/sad", 1)
    box = page.locator("[data-emotion=calm][data-param]").bounding_box()
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": box["x"] + 20, "y": box["y"] + 20}]})
    page.wait_for_timeout(700)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    daemon.wait_until("half of the blend is calm", lambda: abs(daemon.value("emotion/calm") - 0.5) < 0.01)
    page.locator("#f-density").tap()
    daemon.wait_for_value("density", 0, 0.05)
    page.wait_for_timeout(1000)
    page.click("#undo")


def check_full_screen_and_themes(page, daemon):
    # Full-screen mode keeps the screen on.
    page.evaluate("""() => {
        const request = navigator.wakeLock.request.bind(navigator.wakeLock);
        navigator.wakeLock.request = async (kind) => (window.lock = await request(kind));
    }""")
    page.click("#stage")
    page.wait_for_selector("#stage[aria-pressed=true]")
    assert page.evaluate("document.fullscreenElement === document.documentElement")
    wait_for(page, "window.lock && !window.lock.released")
    page.click("#stage")
    page.wait_for_selector("#stage[aria-pressed=false]")
    wait_for(page, "window.lock.released")
    # If the screen cannot be kept on, the page says so.
    page.evaluate("() => { navigator.wakeLock.request = () => Promise.reject(new Error()); }")
    page.click("#stage")
    page.wait_for_selector("#stage[aria-pressed=true]")
    page.wait_for_selector("#toast.shown:has-text('cannot keep the screen on')")
    page.click("#stage")
    page.wait_for_selector("#stage[aria-pressed=false]")
    for theme in ["light", "contrast", "dark"]:
        view(page, "setup")
        page.select_option("#theme", theme)
        view(page, "play")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        if theme == "light":
            # Planned beats stand out from their light background.
            contrast = """() => {
                const canvas = document.querySelector('#picture');
                const [width, y] = [canvas.width, canvas.height - Math.round(15 * devicePixelRatio)];
                // A copy, because the browser warns when a visible canvas is read repeatedly.
                const copy = new OffscreenCanvas(width, canvas.height).getContext('2d', { willReadFrequently: true });
                copy.drawImage(canvas, 0, 0);
                const { data } = copy.getImageData(Math.floor(width * 0.75), y, Math.floor(width * 0.2), 1);
                const reds = data.filter((_, at) => at % 4 === 0);
                return Math.max(...reds) > 220 && Math.min(...reds) < 160;
            }"""
            daemon.wait_until("planned beats are visible", lambda: page.evaluate(contrast))
    for name in ["play", "mix", "piece", "takes", "setup"]:
        view(page, name)
        small = small_targets(page)
        assert not small, (name, small)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the screen"
    # On a phone in landscape, the health button shows only its dot but keeps its size and name.
    size = page.viewport_size
    page.set_viewport_size({"width": 844, "height": 390})
    daemon.wait_until("only the dot is shown", lambda: page.evaluate("document.querySelector('#sentence').offsetWidth") == 1)
    small = small_targets(page)
    name = page.inner_text("#health").strip()
    assert not small and name, (small, name)
    # On a small phone in landscape, the first screen shows all the emotions.
    page.set_viewport_size({"width": 667, "height": 375})
    view(page, "play")
    lowest = page.evaluate("Math.max(...[...document.querySelectorAll('.emotion[data-param]')].map((it) => it.getBoundingClientRect().bottom))")
    small = small_targets(page)
    page.set_viewport_size(size)
    assert lowest <= 375 and not small, (lowest, small)
    # On a very small phone, the longest name stays within its button.
    page.set_viewport_size({"width": 320, "height": 568})
    wide = page.evaluate("(() => { const it = document.querySelector('.emotion[data-emotion=mysterious]'); return it.scrollWidth - it.clientWidth; })()")
    page.set_viewport_size(size)
    assert wide <= 0, f"Mysterious is {wide} pixels too wide"


def small_targets(page):
    """Returns the visible controls that are less than 44 pixels wide or high; a label counts as part of its checkbox."""
    return page.evaluate("""() => [...document.querySelectorAll('button, .tab, .button, select, input')].filter((it) => it.offsetParent)
        .map((it) => [it.outerHTML.slice(0, 90), (it.closest('label') ?? it).getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 43.5 || height < 43.5).map(([html, box]) => `${html} ${box.width}x${box.height}`)""")


def check_forced_colours(page, daemon):
    """Checks that the system's high-contrast mode, which replaces the page's colours, does not hide state."""
    def style(selector, name):
        return page.locator(selector).first.evaluate("(element, name) => getComputedStyle(element)[name]", name)

    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    view(page, "play")
    page.click("[data-emotion=calm][data-param]")
    view(page, "mix")
    page.click("[aria-label='Mute Pad']")
    page.wait_for_selector("[aria-label='Mute Pad'][aria-pressed=true]")
    assert style("#tab-mix", "backgroundColor") != style("#tab-play", "backgroundColor")
    assert style("#tab-play", "borderBottomColor") == style("html", "backgroundColor") or style("#tab-play", "borderBottomWidth") == "0px"
    for pressed, other in [("[aria-label='Mute Pad']", "[aria-label='Mute Bass']"), ("[data-emotion=calm][aria-pressed=true]", "[data-emotion=sad][data-param]")]:
        assert style(pressed, "backgroundColor") != style(other, "backgroundColor"), pressed
        assert style(pressed, "color") != style(pressed, "backgroundColor"), pressed
    for selector in ["#f-reverb", ".meter", ".dot"]:
        assert style(selector, "forcedColorAdjust") == "none", selector
    page.click("[aria-label='Mute Pad']")
    page.wait_for_selector("[aria-label='Mute Pad'][aria-pressed=false]")
    page.emulate_media(forced_colors="none", reduced_motion="no-preference")
