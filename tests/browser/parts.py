"""Checks that each part of the page works, against the daemon's status."""

import time
import urllib.error
import urllib.request

from harness import slide, view


def mood(page, daemon):
    page.click("[data-emotion=happy][data-param]")
    daemon.until_value("emotion/happy", 1)
    page.wait_for_selector("[data-emotion=happy][aria-label='Happy, 100 percent']")
    # Shift adds another emotion, and the weights sum to 1.
    page.click("[data-emotion=sad][data-param]", modifiers=["Shift"])
    daemon.until("half is sad", lambda: abs(daemon.value("emotion/sad") - 0.5) < 0.01 and abs(daemon.value("emotion/happy") - 0.5) < 0.01)
    # So does a long press.
    page.hover("[data-emotion=angry][data-param]")
    page.mouse.down()
    page.wait_for_timeout(600)
    page.mouse.up()
    daemon.until("a third is angry", lambda: abs(daemon.value("emotion/angry") - 1 / 3) < 0.01)
    page.wait_for_selector("[data-emotion=angry][aria-label='Angry, 33 percent']")
    # The pad: a press sets the mood, arrow keys move it.
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    page.mouse.click(box["x"] + 22 + (box["width"] - 44) * 0.85, box["y"] + 22 + (box["height"] - 44) * 0.25)
    daemon.until("the mood is where the pad was clicked",
                 lambda: abs(daemon.value("valence") - 0.7) < 0.05 and abs(daemon.value("arousal") - 0.5) < 0.05)
    before = daemon.value("valence")
    page.focus("#pad")
    page.keyboard.press("ArrowLeft")
    daemon.until("the arrow key has moved the mood", lambda: abs(daemon.value("valence") - before + 0.05) < 0.01)
    slide(page, "#f-glide", 0)
    daemon.until_value("glide", 0)
    daemon.until("the current mood is shown", lambda: "Now playing: happy" in page.inner_text("#now-playing"))
    page.click("#undo")
    daemon.until("the glide is restored", lambda: daemon.value("glide") > 0)


def presets(page, daemon):
    page.click("[data-preset=storm]")
    daemon.until_value("preset", "storm")
    page.click("#preset-next")
    daemon.until_value("preset", "tides")
    daemon.until("the journey is shown", lambda: "step 1 of 4" in page.inner_text(".now-preset"))
    page.click("#preset-previous")
    daemon.until_value("preset", "storm")
    # Previous and next step through the starred presets.
    for name in ["Calm", "Angry"]:
        page.click(f"[aria-label='{name} starred']")
    page.click("text=★ Starred")
    page.click("#preset-next")
    daemon.until_value("preset", "calm")
    page.click("#preset-next")
    daemon.until_value("preset", "angry")
    page.click("text=★ Starred")


def transport(page, daemon):
    page.keyboard.press("h")
    daemon.until_value("hold", True)
    page.wait_for_selector("#hold[aria-pressed=true]")
    page.keyboard.press("Escape")
    daemon.until_value("hold", False)
    page.keyboard.press(" ")
    daemon.until("the music has faded out", lambda: daemon.get("/status")["state"] == "silent")
    page.wait_for_selector("#play[aria-pressed=false]")
    page.click("#play")
    daemon.until("the music plays", lambda: daemon.get("/status")["state"] in ("playing", "starved"))


def takes(page, daemon):
    view(page, "takes")
    page.select_option("#preroll", "5")
    daemon.until_value("record/preroll", 5)
    page.click("#record")
    daemon.until("the take is being recorded", lambda: daemon.get("/takes")["recording"]["on"])
    daemon.until("the time is shown", lambda: page.inner_text("#record").startswith("■ 0:0"))
    page.wait_for_timeout(1200)
    page.click("#record")
    name = daemon.until("the take is listed", lambda: (lambda now: not now["recording"]["on"] and now["recording"]["name"])(daemon.get("/takes")))
    row = page.locator(f"[data-take='{name}']")
    row.wait_for()
    take = next(take for take in daemon.get("/takes")["takes"] if take["name"] == name)
    assert take["seconds"] > 5.5, take
    assert take["mood"] in name, take
    assert row.locator(".mood").inner_text().lower() == take["mood"]
    assert len(daemon.get(f"/takes/{name}/picture")["peaks"]) == 160
    # Playback, and range requests.
    row.locator(".play").click()
    daemon.until("the take plays", lambda: row.locator(".time").inner_text().startswith(("0:01", "0:02")))
    row.locator(".play").click()
    part = urllib.request.Request(f"{daemon.address}/takes/{name}", headers={"Range": "bytes=0-3"})
    with urllib.request.urlopen(part) as response:
        assert (response.status, response.read()) == (206, b"RIFF")
    with page.expect_download() as download:
        row.locator("text=Download").click()
    assert download.value.suggested_filename == name
    assert download.value.path().stat().st_size == take["bytes"]
    # Renamed and deleted.
    row.locator("text=Rename").click()
    row.locator("input").fill("Evening in März")
    row.locator("text=Save").click()
    renamed = page.locator("[data-take='Evening in März.wav']")
    renamed.wait_for()
    daemon.until("its log is renamed too", lambda: any(take["name"] == "Evening in März.wav" and take["log"] for take in daemon.get("/takes")["takes"]))
    renamed.locator("text=Delete").click()
    renamed.locator("text=Really?").click()
    renamed.wait_for(state="detached")
    assert not any("Evening" in take["name"] for take in daemon.get("/takes")["takes"])


def piece(page, daemon):
    view(page, "piece")
    starved = daemon.get("/status")["losses"]["starvations"]
    page.click("[data-source=romantic]")
    slide(page, "#piece-length", 0)
    page.fill("#piece-seed", "11")
    page.uncheck("#piece-harmony")
    page.click("#piece-make")
    made = daemon.until("a piece is requested", lambda: daemon.get("/render")["pieces"])[0]
    assert made["request"] == {"emotion": "romantic", "seconds": 10.0, "temperature": 1.0, "seed": 11, "harmony": False, "format": "wav"}, made
    row = page.locator(f"[data-piece='{made['id']}'][data-state=ready]")
    row.wait_for(timeout=600_000)
    ready = daemon.get(f"/render/{made['id']}")
    assert ready["state"] == "ready" and len(ready["picture"]) == 160 and ready["file"] == f"melos-{made['id']}-romantic.wav", ready
    with page.expect_download() as download:
        row.locator("text=Download").click()
    # Ten seconds, two channels, 24 bits.
    assert download.value.path().stat().st_size in range(10 * 48_000 * 6, 10 * 48_000 * 6 + 200)
    # A variation, cancelled before it is ready.
    row.locator("text=Make a variation").click()
    other = daemon.until("another is requested", lambda: next((piece for piece in daemon.get("/render")["pieces"] if piece["id"] > made["id"]), None))
    assert other["request"]["emotion"] == "romantic" and other["request"]["seed"] != 11
    page.locator(f"[data-piece='{other['id']}'] >> text=Cancel").click()
    daemon.until("the piece is cancelled", lambda: all(piece["id"] != other["id"] for piece in daemon.get("/render")["pieces"]))
    # A blend of two emotions.
    page.click("[data-source=calm]", modifiers=["Shift"])
    page.click("#piece-make")
    blend = daemon.until("a blend is requested", lambda: next((piece for piece in daemon.get("/render")["pieces"] if piece["id"] != made["id"]), None))
    assert blend["request"]["emotion"] == {"romantic": 0.5, "calm": 0.5}, blend
    page.locator(f"[data-piece='{blend['id']}'] >> text=Cancel").click()
    row.locator("text=Delete").click()
    row.locator("text=Really?").click()
    daemon.until("the piece is deleted", lambda: all(piece["id"] != made["id"] for piece in daemon.get("/render")["pieces"]))
    # The notes of the harmony, as a MIDI file.
    page.check("#piece-harmony")
    page.select_option("#piece-format", "midi")
    page.click("#piece-make")
    row = page.locator("#pieces li[data-state=ready]").first
    row.wait_for(timeout=600_000)
    with page.expect_download() as download:
        row.locator("text=Download").click()
    assert download.value.suggested_filename.endswith("-romantic.mid"), download.value.suggested_filename
    assert download.value.path().read_bytes().startswith(b"MThd")
    print(f"starvations while rendering: {daemon.get('/status')['losses']['starvations'] - starved}")


def health(page, daemon):
    sentence = page.inner_text("#sentence")
    assert "Melos" not in sentence and len(sentence) > 5, sentence
    assert page.get_attribute("#health", "data-health") in ("good", "warn"), sentence
    page.click("#health")
    daemon.until("the figures are shown", lambda: "null output" in page.inner_text("#figures"))
    daemon.until("the log is shown", lambda: page.locator("#log li").count() > 0)
    page.click("#figures-reset")
    # Counters are named in words, those at zero on request.
    page.click(".counters summary")
    daemon.until("the counters are shown", lambda: "Times the audio device was lost" in page.inner_text("#counters"))
    names = {row["name"] for row in daemon.get("/losses")["losses"]}
    assert names == set(daemon.get("/status")["losses"]), names


def harmony(page, daemon):
    view(page, "play")
    page.select_option("#m-key", "Eb")
    daemon.until_value("key", "Eb")
    page.select_option("#m-mode", "minor")
    daemon.until_value("mode", "minor")
    # The chords belong to the current key, once there is one.
    daemon.until("the key is shown", lambda: page.inner_text("#key-now") == "Eb minor")
    chord = page.locator("[data-chord=Abm]")
    chord.wait_for()
    chord.scroll_into_view_if_needed()
    # While held, the chord leads; when released, the progression returns.
    box = chord.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    daemon.until_value("chord", "Abm")
    daemon.until("the chord sounds", lambda: page.inner_text("#chord-now") == "Abm")
    page.mouse.up()
    daemon.until_value("chord", "auto")
    page.select_option("#m-key", "C")
    page.select_option("#m-mode", "auto")
    slide(page, "#f-tempo", 0.5)
    daemon.until_value("tempo", 120, 0.5)
    daemon.until_value("tempo/source", "pinned")
    page.select_option("#m-tempo-source", "mood")
    daemon.until_value("tempo/source", "mood")
    for _ in range(5):
        page.locator("#tap").dispatch_event("pointerdown")
        page.wait_for_timeout(400)
    daemon.until("the tempo is tapped", lambda: daemon.value("tempo/source") == "pinned" and 60 < daemon.value("tempo") < 160)
    page.select_option("#m-tempo-source", "mood")
    for name, position, value in [("temperature", 0.5, 1.05), ("density", 0.25, -0.5), ("loudness", 0.75, 0.5), ("register", 1, 1), ("guidance", 0.5, 3)]:
        slide(page, f"#f-{name}", position)
        daemon.until_value(name, value, 0.02)
        page.click("#undo")


def mixer(page, daemon):
    view(page, "mix")
    slide(page, "#f-level-bass", 0.5)
    daemon.until_value("level/bass", -60 + 66 * 0.5 ** 0.5, 0.5)
    page.click("[aria-label='Mute Pad']")
    daemon.until_value("mute/pad", True)
    page.click("[aria-label='Mute Pad']")
    page.click("[aria-label='Solo Bass']")
    daemon.until("the bass is alone", lambda: [daemon.value(f"mute/{layer}") for layer in ("network", "bass", "pad", "upper")] == [True, False, True, True])
    # The meters follow the audio.
    meter = page.locator("[aria-label='Piano level']")
    daemon.until("the piano's meter has fallen", lambda: int(meter.get_attribute("aria-valuenow")) <= -55)
    page.click("[aria-label='Solo Bass']")
    daemon.until("all layers are unmuted", lambda: not any(daemon.value(f"mute/{layer}") for layer in ("network", "bass", "pad", "upper")))
    daemon.until("the piano's meter has risen", lambda: int(meter.get_attribute("aria-valuenow")) > -50)
    for name in ["reverb", "reverb-size", "width"]:
        slide(page, f"#f-{name}", 0.6)
        daemon.until_value(name.replace("-", "/"), 0.6, 0.01)
    slide(page, "#f-tone", 0.5)
    daemon.until_value("tone", 0, 0.01)
    # Nothing is limited at this level.
    slide(page, "#f-level-master", 0.2)
    daemon.until_value("level/master", -60 + 66 * 0.2 ** 0.5, 0.5)
    page.wait_for_timeout(300)
    page.click("#clips-reset")
    assert page.inner_text("#clips") == "0"
    page.click("#undo")
    daemon.until_value("level/master", 0, 0.01)


def scenes(page, daemon):
    view(page, "play")
    reverb = daemon.value("reverb")
    page.fill("#scene-name", "Cave & co.")
    page.click("#scene-store")
    page.locator("[data-scene='Cave & co.']").wait_for()
    view(page, "mix")
    slide(page, "#f-reverb", 0.9)
    daemon.until_value("reverb", 0.9, 0.01)
    view(page, "play")
    page.click("[data-scene='Cave & co.']")
    daemon.until_value("reverb", reverb)
    page.click("#scene-undo")
    daemon.until_value("reverb", 0.9, 0.01)
    # A long press stores the current state in the slot.
    slot = page.locator("[data-scene='Cave & co.']")
    slot.scroll_into_view_if_needed()
    box = slot.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.wait_for_timeout(800)
    page.mouse.up()
    view(page, "mix")
    slide(page, "#f-reverb", 0.1)
    daemon.until_value("reverb", 0.1, 0.01)
    view(page, "play")
    page.click("[data-scene='Cave & co.']")
    daemon.until_value("reverb", 0.9, 0.01)
    # Renamed, crossfaded, deleted.
    page.click("[aria-label='Edit scene Cave & co.']")
    page.fill("[aria-label='New name of Cave & co.']", "Hall")
    page.click(".editor >> text=Rename")
    page.locator("[data-scene=Hall]").wait_for()
    view(page, "mix")
    slide(page, "#f-reverb", 0.1)
    view(page, "play")
    page.fill("#scene-name", "Dry")
    page.click("#scene-store")
    page.locator("[data-scene=Dry]").wait_for()
    assert daemon.get("/melos/scene?RANGE") == {"RANGE": [{"VALS": ["Dry", "Hall"]}]}
    page.select_option("#scene-a", "Dry")
    page.select_option("#scene-b", "Hall")
    slide(page, "#f-scene-crossfade", 0.5)
    daemon.until_value("reverb", 0.5, 0.01)
    slide(page, "#f-scene-morph-bars", 0.5)
    daemon.until_value("scene/morph/bars", 16, 0.1)
    slide(page, "#f-scene-morph-bars", 0)
    for name in ["Hall", "Dry"]:
        page.click(f"[aria-label='Edit scene {name}']")
        page.click(".editor >> text=Delete")
        page.click(".editor >> text=Really?")
        page.locator(f"[data-scene={name}]").wait_for(state="detached")
    daemon.until("no scene is left", lambda: daemon.get("/scenes") == {"scenes": []})


def show(page, daemon):
    """Steps through a setlist, and cancels a timer."""
    view(page, "play")
    page.select_option("#setlist", "evening")
    daemon.until_value("setlist", "evening")
    page.click("#setlist-next")
    daemon.until_value("preset", "slow-dawn")
    page.click("#setlist-entries [data-entry='3']")
    daemon.until_value("preset", "storm")
    daemon.until("the entry is marked", lambda: page.get_attribute("#setlist-entries [data-entry='3']", "aria-current") == "step")
    page.click("#setlist-previous")
    daemon.until_value("preset", "calm")
    page.fill("#timer-minutes", "5")
    page.click("#timer-start")
    daemon.until("the timer is shown", lambda: page.inner_text("#timer-left").startswith("fades out in 4:5"))
    page.click("#timer-off")
    daemon.until("the timer is hidden", lambda: page.inner_text("#timer-left") == "")


def pictures(page, daemon):
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
    # The spectrogram is drawn, in more than one colour.
    colours = page.evaluate("""() => {
        const canvas = document.querySelector('#picture');
        const { data } = canvas.getContext('2d').getImageData(Math.floor(canvas.width * 0.5), 40, Math.floor(canvas.width * 0.2), 60);
        return new Set(Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 3).join())).size;
    }""")
    assert colours > 50, colours


def midi(page, daemon):
    view(page, "setup")
    assert "No MIDI device" in page.inner_text("#midi-devices")
    view(page, "mix")
    page.click("#learn")
    page.click("#f-reverb")
    daemon.until("Melos waits for a control", lambda: daemon.get("/midi")["learning"] == "reverb")
    assert "“reverb”" in page.inner_text("#learning-text")
    page.click("#learning-end")
    daemon.until("Melos no longer waits", lambda: daemon.get("/midi")["learning"] is None)
    # The fader that was selected has not moved.
    before = daemon.value("reverb")
    time.sleep(0.2)
    assert daemon.value("reverb") == before


def learn(page, daemon, move):
    """Binds a device's knob by selecting a fader and moving the knob; `move` moves it."""
    view(page, "mix")
    page.click("#learn")
    page.click("#f-reverb")
    daemon.until("Melos waits for a control", lambda: daemon.get("/midi")["learning"] == "reverb")
    move()
    page.wait_for_selector("#learning", state="hidden")
    # Of all the controls that the device sends, the one moved furthest is learned.
    learned = daemon.until("the knob is bound", lambda: daemon.get("/midi")["learned"])
    assert [bound["parameters"] for bound in learned] == [["reverb"]] and "cc = 21" in learned[0]["block"], learned
    view(page, "setup")
    daemon.until("the binding is shown", lambda: "CC 21" in page.inner_text("#midi-bound"))
    with page.expect_download() as download:
        page.click("#midi-bound a")
    mapping = download.value.path().read_text()
    assert "cc = 21" in mapping and 'to = "reverb"' in mapping, mapping
    page.click("[aria-label='Forget the learned controls of reverb']")
    daemon.until("the binding is forgotten", lambda: not daemon.get("/midi")["learned"])
    daemon.until("no binding is shown", lambda: "CC 21" not in page.inner_text("#midi-bound"))


def touch(page, daemon):
    """A finger that scrolls moves no control; one that moves along a fader does."""
    view(page, "play")
    network = page.context.new_cdp_session(page)

    def swipe(selector, right, down):
        control = page.locator(selector)
        control.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        box = control.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        network.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            network.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + right * step, "y": y + down * step}]})
            page.wait_for_timeout(30)
        network.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(300)

    slide(page, "#f-density", 0.1)
    daemon.until_value("density", -0.8, 0.01)
    before = page.evaluate("scrollY")
    swipe("#f-density", 0, -12)
    assert page.evaluate("scrollY") > before + 20, "the page has scrolled"
    assert page.input_value("#f-density") == "0.1" and abs(daemon.value("density") + 0.8) < 0.01, daemon.value("density")
    mood = daemon.value("emotion/sad")
    swipe("[data-emotion=sad][data-param]", 0, -12)
    assert daemon.value("emotion/sad") == mood
    swipe("#f-density", 6, 0)
    daemon.until("the fader has moved", lambda: daemon.value("density") > 0.1)
    page.locator("#f-density").tap()
    daemon.until_value("density", 0, 0.05)
    page.wait_for_timeout(1000)
    page.click("#undo")


def stage(page, daemon):
    # Enter full screen, which keeps the screen on, and leave it again.
    page.evaluate("""() => {
        const request = navigator.wakeLock.request.bind(navigator.wakeLock);
        navigator.wakeLock.request = async (kind) => (window.lock = await request(kind));
    }""")
    page.click("#stage")
    page.wait_for_selector("#stage[aria-pressed=true]")
    assert page.evaluate("document.fullscreenElement === document.documentElement")
    page.wait_for_function("window.lock && !window.lock.released")
    page.click("#stage")
    page.wait_for_selector("#stage[aria-pressed=false]")
    page.wait_for_function("window.lock.released")
    view(page, "setup")
    for theme in ["light", "contrast", "dark"]:
        page.select_option("#theme", theme)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
    small = page.evaluate("""() => [...document.querySelectorAll('button, .tab, .button, select, input')].filter((it) => it.offsetParent)
        .map((it) => [it.outerHTML.slice(0, 90), it.getBoundingClientRect()]).filter(([html, { width, height }]) =>
        !html.includes('checkbox') && (width < 43.5 || height < 43.5)).map(([html, box]) => `${html} ${box.width}x${box.height}`)""")
    assert not small, small
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the screen"


def safe(daemon):
    """Only a POST that another site's form cannot send changes state, and paths cannot escape their folder."""
    def refused(path, body=None, kind="application/json"):
        request = urllib.request.Request(daemon.address + path, data=body, headers={"Content-Type": kind})
        try:
            urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    assert refused("/render", b'{"emotion":"calm","seconds":10}', "text/plain") == 415
    assert refused("/render", b'{"emotion":"calm","seconds":5}') == 400
    assert refused("/render", b"x" * 100_000) == 413
    assert refused("/render/99", b'{"delete":true}') == 404
    for path in ["/takes/..%2Fstate.toml", "/takes/.hidden.wav", "/takes/%2Fetc%2Fpasswd", "/page/..%2F..%2Fconfig.rs"]:
        assert refused(path) == 404, path
    assert refused("/takes/none.wav", b'{"delete":true}') == 404
