"""Checks the page's musical controls against the daemon's status."""

from harness import delete, intercepted, send_from_elsewhere, slide, view


def check_mood(page, daemon):
    page.click("[data-emotion=happy][data-param]")
    daemon.wait_for_value("emotion/happy", 1)
    page.wait_for_selector("[data-emotion=happy][aria-label='Happy, 100 percent']")
    # Shift adds another emotion, and the weights sum to 1.
    page.click("[data-emotion=sad][data-param]", modifiers=["Shift"])
    daemon.wait_until("half of the blend is sad", lambda: abs(daemon.value("emotion/sad") - 0.5) < 0.01 and abs(daemon.value("emotion/happy") - 0.5) < 0.01)
    # A long press does the same.
    page.hover("[data-emotion=angry][data-param]")
    page.mouse.down()
    page.wait_for_timeout(600)
    page.mouse.up()
    daemon.wait_until("a third of the blend is angry", lambda: abs(daemon.value("emotion/angry") - 1 / 3) < 0.01)
    page.wait_for_selector("[data-emotion=angry][aria-label='Angry, 33 percent']")
    # The shares shown always add up to 100.
    shares = "[...document.querySelectorAll('#panel-mood .share')].reduce((sum, it) => sum + (parseInt(it.textContent) || 0), 0)"
    daemon.wait_until("the shares add up", lambda: page.evaluate(shares) == 100)
    sums = page.evaluate("""async () => {
        const { percentages } = await import('/page/mood.js');
        const blends = [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [0.29, 0.71], [0.004, 0.996], [0.3333, 0.3333, 0.3333, 0]];
        return blends.map((blend) => [...percentages(blend.map((weight, index) => [String(index), weight])).values()].reduce((sum, share) => sum + share));
    }""")
    assert sums == [100] * 5, sums
    # Clicking the pad sets the mood, and the arrow keys move it.
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    page.mouse.click(box["x"] + 22 + (box["width"] - 44) * 0.85, box["y"] + 22 + (box["height"] - 44) * 0.25)
    daemon.wait_until("the mood is where the pad was clicked",
                      lambda: abs(daemon.value("valence") - 0.7) < 0.05 and abs(daemon.value("arousal") - 0.5) < 0.05)
    before = daemon.value("valence")
    page.focus("#pad")
    page.keyboard.press("ArrowLeft")
    daemon.wait_until("the arrow key has moved the mood", lambda: abs(daemon.value("valence") - before + 0.05) < 0.01)
    slide(page, "#f-glide", 0)
    daemon.wait_for_value("glide", 0)
    daemon.wait_until("the current mood is shown", lambda: "Now playing: happy" in page.inner_text("#now-playing"))
    page.click("#undo")
    daemon.wait_until("the glide is restored", lambda: daemon.value("glide") > 0)


def check_presets(page, daemon):
    page.click("text=★ Starred")
    assert "No preset is starred" in page.inner_text("#presets")
    page.click("text=★ Starred")
    page.click("[data-preset=storm]")
    daemon.wait_for_value("preset", "storm")
    page.click("#preset-next")
    daemon.wait_for_value("preset", "tides")
    daemon.wait_until("the journey is shown", lambda: "step 1 of 4" in page.inner_text(".now-preset"))
    page.click("#preset-previous")
    daemon.wait_for_value("preset", "storm")
    # Previous and next step through the starred presets.
    for name in ["Calm", "Angry"]:
        page.click(f"[aria-label='{name} starred']")
    page.click("text=★ Starred")
    page.click("#preset-next")
    daemon.wait_for_value("preset", "calm")
    page.click("#preset-next")
    daemon.wait_for_value("preset", "angry")
    page.click("text=★ Starred")


def check_transport(page, daemon):
    page.keyboard.press("h")
    daemon.wait_for_value("hold", True)
    page.wait_for_selector("#hold[aria-pressed=true]")
    page.keyboard.press("Escape")
    daemon.wait_for_value("hold", False)
    page.keyboard.press(" ")
    daemon.wait_until("the music has faded out", lambda: daemon.get("/status")["state"] == "silent")
    page.wait_for_selector("#play[aria-pressed=false]")
    page.click("#play")
    daemon.wait_until("the music plays", lambda: daemon.get("/status")["state"] in ("playing", "starved"))


def check_harmony(page, daemon):
    view(page, "play")
    mode = daemon.value("mode")
    page.select_option("#m-key", "Eb")
    daemon.wait_for_value("key", "Eb")
    page.select_option("#m-mode", "minor")
    daemon.wait_for_value("mode", "minor")
    # The page offers the chords of the current key.
    daemon.wait_until("the key is shown", lambda: page.inner_text("#key-now") == "Eb minor")
    chord = page.locator("[data-chord=Abm]")
    chord.wait_for()
    chord.scroll_into_view_if_needed()
    # Every degree of a scale has its own letter, whatever the daemon calls the chord.
    spelt = page.evaluate("""async () => {
        const { scaleChords } = await import('/page/harmony.js');
        return ['F# major', 'C phrygian', 'Bb harmonic-minor'].map((key) => scaleChords(key).map(({ name }) => name).join(' '));
    }""")
    assert spelt == ["F# G#m A#m B C# D#m E#dim", "Cm Db Eb Fm Gdim Ab Bbm", "Bbm Cdim Dbaug Ebm F Gb Adim"], spelt
    # The chord leads while it is held; then the progression resumes.
    box = chord.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    daemon.wait_for_value("chord", "Abm")
    daemon.wait_until("the chord sounds", lambda: page.inner_text("#chord-now") == "Abm")
    page.wait_for_timeout(1500)
    page.mouse.up()
    daemon.wait_for_value("chord", "auto")
    # Undo reverts the change before the chord, and does not set the chord again.
    page.click("#undo")
    daemon.wait_for_value("mode", mode)
    assert daemon.value("chord") == "auto", daemon.value("chord")
    page.select_option("#m-key", "C")
    page.select_option("#m-mode", "auto")
    slide(page, "#f-tempo", 0.5)
    daemon.wait_for_value("tempo", 120, 0.5)
    daemon.wait_for_value("tempo/source", "pinned")
    # If the chosen source is absent, a message appears next to the menu and in the health line.
    page.select_option("#m-tempo-source", "clock")
    daemon.wait_until("the absence is shown next to the menu", lambda: page.is_visible("#tempo-absent") and "No MIDI clock received" in page.inner_text("#tempo-absent"))
    daemon.wait_until("the health line shows the absence", lambda: "No MIDI clock received" in page.inner_text("#sentence"))
    page.select_option("#m-tempo-source", "mood")
    daemon.wait_for_value("tempo/source", "mood")
    page.wait_for_selector("#tempo-absent", state="hidden")
    for _ in range(5):
        page.locator("#tap").dispatch_event("pointerdown")
        page.wait_for_timeout(400)
    daemon.wait_until("the tempo is tapped", lambda: daemon.value("tempo/source") == "pinned" and 60 < daemon.value("tempo") < 160)
    page.select_option("#m-tempo-source", "mood")
    for name, position, value in [("temperature", 0.5, 1.05), ("density", 0.25, -0.5), ("loudness", 0.75, 0.5), ("register", 1, 1), ("guidance", 0.5, 3)]:
        slide(page, f"#f-{name}", position)
        daemon.wait_for_value(name, value, 0.02)
        page.click("#undo")
        # Undo calls a control what the page calls it.
        label = page.locator(f"label[for=f-{name}]").inner_text()
        assert page.text_content("#toast") == f"{label} restored", (name, page.text_content("#toast"))
    check_respelling(page)


def check_respelling(page):
    """Checks that a new key, which spells the chord differently, draws no change of chord."""
    drawn = page.evaluate("""async () => {
        const [{ melos }, { pictures }] = await Promise.all([import('/page/connection.js'), import('/page/pictures.js')]);
        const canvas = document.body.appendChild(document.createElement('canvas'));
        canvas.style.width = '600px';
        const texts = [];
        canvas.getContext('2d').fillText = (text) => texts.push(text);
        pictures(canvas);
        melos.notify('outlook', 'F# major', 'F#', 0);
        melos.notify('outlook', 'Db major', 'F#', 0);
        melos.notify('spectrum', ...Array(48).fill(-80));
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        canvas.remove();
        return texts;
    }""")
    assert "F#" in drawn and "Gb" not in drawn, drawn


def check_mixer(page, daemon):
    view(page, "mix")
    slide(page, "#f-level-bass", 0.5)
    daemon.wait_for_value("level/bass", -60 + 66 * 0.5 ** 0.5, 0.5)
    page.click("[aria-label='Mute Pad']")
    daemon.wait_for_value("mute/pad", True)
    page.click("[aria-label='Mute Pad']")
    page.click("[aria-label='Solo Bass']")
    daemon.wait_until("the bass is alone", lambda: [daemon.value(f"mute/{layer}") for layer in ("network", "bass", "pad", "upper")] == [True, False, True, True])
    # The meters follow the audio.
    meter = page.locator("[aria-label='Piano level']")
    daemon.wait_until("the piano's meter has fallen", lambda: int(meter.get_attribute("aria-valuenow")) <= -55)
    page.click("[aria-label='Solo Bass']")
    daemon.wait_until("all layers are unmuted", lambda: not any(daemon.value(f"mute/{layer}") for layer in ("network", "bass", "pad", "upper")))
    daemon.wait_until("the piano's meter has risen", lambda: int(meter.get_attribute("aria-valuenow")) > -50)
    page.click("[aria-label='Solo Harmony']")
    daemon.wait_until("the harmony is alone", lambda: [daemon.value(f"mute/{layer}") for layer in ("network", "bass", "pad", "upper", "harmony")] == [True, False, False, False, False])
    page.click("[aria-label='Solo Harmony']")
    daemon.wait_for_value("mute/network", False)
    page.click("[aria-label='Mute Master']")
    daemon.wait_for_value("mute/master", True)
    daemon.wait_until("the output is silent", lambda: daemon.get("/status")["rms_db"] < -100)
    daemon.wait_until("the page says why", lambda: "muted" in page.inner_text("#sentence"))
    page.click("[aria-label='Mute Master']")
    daemon.wait_until("the output is audible", lambda: daemon.get("/status")["rms_db"] > -60)
    for name in ["reverb", "reverb-size", "width", "piano"]:
        slide(page, f"#f-{name}", 0.6)
        daemon.wait_for_value(name.replace("-", "/"), 0.6, 0.01)
    slide(page, "#f-tone", 0.5)
    daemon.wait_for_value("tone", 0, 0.01)
    slide(page, "#f-evenness", 1)
    daemon.wait_for_value("evenness", 1)
    page.click("#undo")
    daemon.wait_for_value("evenness", 0)
    limited = page.evaluate("""async () => {
        const { melos } = await import('/page/connection.js');
        const { sinceReset } = await import('/page/health.js');
        const count = (number) => melos.notify('meters', 0, 0, 0, 0, 0, 0, 0, number);
        count(5000);
        document.querySelector('#limited-reset').click();
        count(5001);
        return [document.querySelector('#limited').parentElement.textContent, sinceReset('limited', 5001)];
    }""")
    assert limited == ["Limited: 1 time", 1], limited
    # At this level, the limiter does not act.
    slide(page, "#f-level-master", 0.2)
    daemon.wait_for_value("level/master", -60 + 66 * 0.2 ** 0.5, 0.5)
    page.wait_for_timeout(300)
    page.click("#limited-reset")
    assert page.inner_text("#limited") == "0"
    page.click("#undo")
    daemon.wait_for_value("level/master", 0, 0.01)
    assert page.text_content("#toast") == "Master restored", page.text_content("#toast")
    slide(page, "#f-piano", 0)


def check_scenes(page, daemon):
    view(page, "play")
    reverb = daemon.value("reverb")
    page.fill("#scene-name", "Cave & co.")
    page.click("#scene-store")
    page.locator("[data-scene='Cave & co.']").wait_for()
    view(page, "mix")
    slide(page, "#f-reverb", 0.9)
    daemon.wait_for_value("reverb", 0.9, 0.01)
    view(page, "play")
    page.click("[data-scene='Cave & co.']")
    daemon.wait_for_value("reverb", reverb)
    page.click("#scene-undo")
    daemon.wait_for_value("reverb", 0.9, 0.01)
    # A second long press stores the current state in the slot.
    slot = page.locator("[data-scene='Cave & co.']")
    slot.scroll_into_view_if_needed()
    box = slot.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    for _ in range(2):
        page.mouse.down()
        page.wait_for_timeout(800)
        page.mouse.up()
        assert slot.inner_text() == "Hold again to replace", slot.inner_text()
    daemon.wait_until("the scene is stored", lambda: page.locator("#toast").inner_text() == "“Cave & co.” stored")
    view(page, "mix")
    slide(page, "#f-reverb", 0.1)
    daemon.wait_for_value("reverb", 0.1, 0.01)
    view(page, "play")
    page.click("[data-scene='Cave & co.']")
    daemon.wait_for_value("reverb", 0.9, 0.01)
    # Scenes can be renamed, crossfaded and deleted.
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
    # Names that the daemon would refuse are not sent.
    page.click("[aria-label='Edit scene Hall']")
    for name, fault in [("", "Enter a name"), ("Dry", "There is already a scene"), ("..", "cannot be called")]:
        page.fill("[aria-label='New name of Hall']", name)
        page.click(".editor >> text=Rename")
        page.wait_for_selector(f"#toast.shown:has-text('{fault}')")
    page.click("[aria-label='Edit scene Hall']")
    # The time of the morph is set and undone; the daemon reports where a morph leads, not where it is.
    slide(page, "#f-scene-morph", 0.27)
    daemon.wait_for_value("scene/morph", 120 * 0.27**3, 0.01)
    page.click("[data-scene=Hall]")
    daemon.wait_for_value("reverb", 0.9, 0.01)
    page.click("#undo")
    daemon.wait_for_value("reverb", 0.1, 0.01)
    assert page.text_content("#toast") == "Scene restored", page.text_content("#toast")
    page.click("#undo")
    daemon.wait_for_value("scene/morph", 0)
    assert page.text_content("#toast") == "Morph restored", page.text_content("#toast")
    assert daemon.get("/melos/scene?RANGE") == {"RANGE": [{"VALS": ["Dry", "Hall"]}]}
    page.select_option("#scene-a", "Dry")
    page.select_option("#scene-b", "Hall")
    slide(page, "#f-scene-crossfade", 0.5)
    daemon.wait_for_value("reverb", 0.5, 0.01)
    slide(page, "#f-scene-morph-bars", 0.5)
    daemon.wait_for_value("scene/morph/bars", 32)
    page.focus("#f-scene-morph-bars")
    page.keyboard.press("ArrowRight")
    daemon.wait_for_value("scene/morph/bars", 33)
    slide(page, "#f-scene-morph-bars", 0)
    for name in ["Hall", "Dry"]:
        page.click(f"[aria-label='Edit scene {name}']")
        delete(page.locator(".editor"))
        page.locator(f"[data-scene={name}]").wait_for(state="detached")
    daemon.wait_until("no scene is left", lambda: daemon.get("/scenes") == {"scenes": []})
    # A scene without a name gets the first free number, and a name in use requires confirmation.
    for expected in [["Scene 1"], ["Scene 1", "Scene 2"]]:
        page.click("#scene-store")
        daemon.wait_until("the scene is stored", lambda: daemon.get("/scenes")["scenes"] == expected)
        page.wait_for_selector(f"[data-scene='{expected[-1]}']")
    delete_scene(page, "Scene 1")
    page.click("#scene-store")
    daemon.wait_until("the free number is used", lambda: daemon.get("/scenes")["scenes"] == ["Scene 1", "Scene 2"])
    page.fill("#scene-name", "Scene 2")
    page.click("#scene-store")
    assert page.inner_text("#scene-store") == "Replace?"
    page.click("#scene-store")
    daemon.wait_until("the scene is replaced", lambda: page.input_value("#scene-name") == "")
    page.wait_for_selector("#scene-store:has-text('Store')")
    # Names that an address cannot contain are refused.
    page.fill("#scene-name", "..")
    page.click("#scene-store")
    page.wait_for_selector("#toast:has-text('cannot be called')")
    page.fill("#scene-name", "")
    for name in ["Scene 1", "Scene 2"]:
        delete_scene(page, name)
    assert daemon.get("/scenes") == {"scenes": []}


def delete_scene(page, name):
    page.locator(f"[data-scene='{name}']").wait_for()
    page.click(f"[aria-label='Edit scene {name}']")
    delete(page.locator(".editor"))
    page.locator(f"[data-scene='{name}']").wait_for(state="detached")


def check_undo(page, daemon):
    """Checks that Undo reverts a solo, a preset or a step through a setlist as a whole."""
    layers = ["network", "bass", "pad", "upper"]
    view(page, "mix")
    page.click("[aria-label='Solo Bass']")
    daemon.wait_until("the bass is alone", lambda: [daemon.value(f"mute/{layer}") for layer in layers] == [True, False, True, True])
    page.click("#undo")
    daemon.wait_until("all layers are unmuted", lambda: not any(daemon.value(f"mute/{layer}") for layer in layers))
    view(page, "play")
    page.click("[data-preset=storm]")
    daemon.wait_for_value("preset", "storm")
    view(page, "mix")
    slide(page, "#f-reverb", 0.77)
    daemon.wait_for_value("reverb", 0.77, 0.01)
    # Ctrl+Z in a text field undoes only typing.
    view(page, "play")
    page.fill("#scene-name", "abc")
    page.press("#scene-name", "Control+z")
    page.fill("#scene-name", "")
    page.wait_for_timeout(500)
    assert abs(daemon.value("reverb") - 0.77) < 0.01, daemon.value("reverb")

    def check_restored():
        daemon.wait_until("another preset sounds", lambda: abs(daemon.value("reverb") - 0.77) > 0.1)
        page.wait_for_timeout(1000)
        page.click("#undo")
        daemon.wait_for_value("preset", "storm")
        daemon.wait_for_value("reverb", 0.77, 0.01)
        page.wait_for_timeout(700)
        assert abs(daemon.value("reverb") - 0.77) < 0.01, daemon.value("reverb")

    page.click("[data-preset=calm]")
    check_restored()
    page.select_option("#setlist", "evening")
    page.click("#setlist-entries [data-entry='2']")
    check_restored()
    page.click("#setlist-next")
    check_restored()
    assert daemon.value("setlist") == "evening"
    # What another client has changed since, and what presets do not change, is left alone. A chord that led before does not lead again.
    send_from_elsewhere(page, "chord", "s", "Fm7")
    daemon.wait_for_value("chord", "Fm7")
    daemon.wait_until("the page knows of the chord", lambda: page.is_visible("#chord-release"))
    page.click("[data-preset=calm]")
    daemon.wait_for_value("preset", "calm")
    send_from_elsewhere(page, "mute/master", "T")
    daemon.wait_for_value("mute/master", True)
    page.click("#undo")
    daemon.wait_for_value("preset", "storm")
    assert page.text_content("#toast") == "Preset restored", page.text_content("#toast")
    page.wait_for_timeout(500)
    assert (daemon.value("mute/master"), daemon.value("chord")) == (True, "auto")
    send_from_elsewhere(page, "mute/master", "F")
    daemon.wait_for_value("mute/master", False)


def check_show(page, daemon):
    """Checks stepping through a setlist, a missing entry, a removed one, and a timer that is cancelled."""
    view(page, "play")
    page.click("#setlist-next")
    page.wait_for_selector("#toast.shown:has-text('Select a setlist first')")
    page.select_option("#setlist", "evening")
    daemon.wait_for_value("setlist", "evening")
    page.click("#setlist-next")
    daemon.wait_for_value("preset", "slow-dawn")
    page.click("#setlist-entries [data-entry='3']")
    daemon.wait_for_value("preset", "storm")
    daemon.wait_until("the entry is marked", lambda: page.get_attribute("#setlist-entries [data-entry='3']", "aria-current") == "step")
    page.click("#setlist-previous")
    daemon.wait_for_value("preset", "calm")
    # An entry that does not exist is marked, and going to it is reported.
    def break_second_entry(route):
        response = route.fetch()
        lists = response.json()
        next(setlist for setlist in lists["setlists"] if setlist["id"] == "evening")["entries"][1] = {"kind": "scene", "name": "Gone", "note": ""}
        route.fulfill(response=response, json=lists)

    reread = "import('/page/connection.js').then(({ melos }) => melos.notify('revisions', Math.random()))"
    with intercepted(page, "**/presets", break_second_entry):
        page.evaluate(reread)
        page.wait_for_selector("#setlist-entries .missing[data-entry='2']:has-text('missing')")
        page.click("#setlist-entries [data-entry='3']")
        daemon.wait_for_value("preset", "storm")
        page.click("#setlist-previous")
        page.wait_for_selector("#toast.shown:has-text('Scene “Gone” is missing')")
    page.evaluate(reread)
    page.locator("#setlist-entries .missing").wait_for(state="detached")
    # Once the current entry has been removed, the one before it, whose number the daemon gives, is not marked.
    def remove_current_entry(route):
        response = route.fetch()
        status = response.json()
        status["show"]["entry"] = None
        route.fulfill(response=response, json=status)

    current = page.locator("#setlist-entries [aria-current=step]")
    current.wait_for()
    with intercepted(page, "**/status", remove_current_entry):
        page.evaluate(reread)
        current.wait_for(state="detached")
    page.evaluate(reread)
    current.wait_for()
    for minutes in ["", "0.05", "5000"]:
        page.evaluate("document.querySelector('#toast').textContent = ''")
        page.fill("#timer-minutes", minutes)
        page.click("#timer-start")
        page.wait_for_selector("#toast.shown:has-text('Enter 0.1 to 1440 minutes')")
    assert daemon.value("timer") == 0
    page.fill("#timer-minutes", "5")
    page.click("#timer-start")
    daemon.wait_until("the timer is shown", lambda: page.inner_text("#timer-left").startswith("fades out in 4:5"))
    page.click("#timer-off")
    daemon.wait_until("the timer is hidden", lambda: page.inner_text("#timer-left") == "")
