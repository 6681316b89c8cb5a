"""Checks takes and pieces on the page, and the HTTP requests behind them."""

import urllib.error
import urllib.request

from harness import delete, intercepted, slide, view, wait_for


def check_first_minute(page, daemon):
    """Checks that the page mentions the recording of the first minute if it is still in progress."""
    view(page, "takes")

    def is_recording():
        return daemon.get("/takes")["recording"]["on"]

    if is_recording():
        page.wait_for_timeout(500)
        text = page.inner_text("#takes")
        assert not is_recording() or "first-minute is being recorded" in text, text


def check_takes(page, daemon):
    view(page, "takes")
    page.select_option("#preroll", "5")
    daemon.wait_for_value("record/preroll", 5)
    page.click("#record")
    daemon.wait_until("the take is being recorded", lambda: daemon.get("/takes")["recording"]["on"])
    daemon.wait_until("the time is shown", lambda: page.inner_text("#record").startswith("■ 0:0"))
    page.wait_for_timeout(1200)
    page.click("#record")
    name = daemon.wait_until("the take is listed", lambda: (lambda now: not now["recording"]["on"] and now["recording"]["name"])(daemon.get("/takes")))
    row = page.locator(f"[data-take='{name}']")
    row.wait_for()
    take = next(take for take in daemon.get("/takes")["takes"] if take["name"] == name)
    assert take["seconds"] > 5.5, take
    assert take["mood"] in name, take
    assert row.locator(".mood").inner_text().lower() == take["mood"]
    assert len(daemon.get(f"/takes/{name}/picture")["peaks"]) == 160
    # The take plays, and its file can be requested in part.
    row.locator(".play").click()
    daemon.wait_until("the take plays", lambda: row.locator(".time").inner_text().startswith(("0:01", "0:02")))
    row.locator(".play").click()
    row.locator(".waveform").press("Home")
    daemon.wait_until("the Home key moves the position to the start", lambda: row.locator(".time").inner_text().startswith("0:00"))
    row.locator(".waveform").press("ArrowRight")
    daemon.wait_until("the arrow key moves the position", lambda: row.locator(".time").inner_text().startswith("0:05"))
    part = urllib.request.Request(f"{daemon.address}/takes/{name}", headers={"Range": "bytes=0-3"})
    with urllib.request.urlopen(part) as response:
        assert (response.status, response.read()) == (206, b"RIFF")
    with page.expect_download() as download:
        row.locator("text=Download").click()
    assert download.value.suggested_filename == name
    assert download.value.path().stat().st_size == take["bytes"]
    daemon.wait_until("the notes of the take are saved", lambda: any(take["name"] == name and take["notes"] for take in daemon.get("/takes")["takes"]))
    with page.expect_download() as download:
        row.locator("text=MIDI").click()
    assert download.value.suggested_filename == name.rsplit(".", 1)[0] + ".mid"
    assert download.value.path().read_bytes().startswith(b"MThd")
    # The take can be renamed and deleted.
    # Names that the daemon would refuse are not sent.
    row.locator("text=Rename").click()
    for refused, fault in [("", "Enter a name"), ("a/b", "cannot be called"), (".hidden", "cannot be called"), ("é" * 100, "too long")]:
        row.locator("input").fill(refused)
        row.locator("text=Save").click()
        page.wait_for_selector(f"#toast.shown:has-text('{fault}')")
    row.locator("input").fill("Evening in März")
    # Recording another take does not interrupt the renaming.
    page.click("#record")
    second = daemon.wait_until("another take is being recorded", lambda: (lambda now: now["on"] and now["name"] != name and now["name"])(daemon.get("/takes")["recording"]))
    page.wait_for_timeout(1000)
    page.click("#record")
    other = page.locator(f"[data-take='{second}']")
    other.wait_for()
    assert row.locator("input").input_value() == "Evening in März"
    row.locator("input").fill(second.rsplit(".", 1)[0])
    row.locator("text=Save").click()
    page.wait_for_selector("#toast.shown:has-text('There is already a take')")
    row.locator("input").fill("Evening in März")
    # A player that is not told the length, such as that of a piece made from a take, reads it from the file.
    length = page.evaluate("""async (name) => {
        const { player } = await import('/page/player.js');
        // Not the address that is being played.
        const element = player(`/takes/${name}?`, name, async () => [], null);
        for (let tries = 0; tries < 200 && element.querySelector('.time').textContent === '–'; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
        return element.querySelector('.time').textContent;
    }""", name)
    assert length == f"0:{int(take['seconds']):02}", (length, take)
    # If a take cannot be played, the page says so and offers to play it again.
    with intercepted(page, "**/takes/*.wav", lambda route: route.fulfill(body="gone", content_type="audio/wav")):
        other.locator(".play").click()
        page.wait_for_selector("#toast.shown:has-text('Cannot play')")
        other.locator("[aria-label^=Play]").wait_for()
    # Escape ends the renaming and returns the focus.
    other.locator("text=Rename").click()
    other.locator("input").press("Escape")
    wait_for(page, "document.activeElement.textContent === 'Rename'")
    delete(other)
    other.wait_for(state="detached")
    row.locator("text=Save").click()
    renamed = page.locator("[data-take='Evening in März.wav']")
    renamed.wait_for()
    daemon.wait_until("the log and the notes of the take are renamed too", lambda: any(take["name"] == "Evening in März.wav" and take["log"] and take["notes"] for take in daemon.get("/takes")["takes"]))
    # A long name stays within the list.
    renamed.locator("text=Rename").click()
    renamed.locator("input").fill("W" * 100)
    renamed.locator("text=Save").click()
    renamed = page.locator(f"[data-take='{'W' * 100}.wav']")
    renamed.wait_for()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the screen"
    delete(renamed)
    renamed.wait_for(state="detached")
    assert not any("WWW" in take["name"] for take in daemon.get("/takes")["takes"])


def check_pieces(page, daemon):
    view(page, "piece")
    starved = daemon.get("/status")["losses"]["starvations"]
    # The button is on the first screen.
    hidden = page.evaluate("""() => {
        const bars = [...document.querySelectorAll('.transports, #tabs')].filter((it) => getComputedStyle(it).position === 'fixed').map((it) => it.getBoundingClientRect().top);
        return document.querySelector('#piece-make').getBoundingClientRect().bottom - Math.min(innerHeight, ...bars);
    }""")
    assert hidden <= 0, f"{hidden} pixels of the button are hidden"
    # If the queue is full, nothing is requested.
    waiting = {"id": 1, "state": "waiting", "done": 0, "seconds_left": None, "created": 0, "file": None, "bytes": 0, "picture": [], "error": None,
               "request": {"emotion": "calm", "seconds": 10, "harmony": True, "format": "wav"}}
    with intercepted(page, "**/render", lambda route: route.fulfill(json={"pieces": [{**waiting, "id": number} for number in range(8, 0, -1)]})):
        page.click("#piece-make")
        page.wait_for_selector("#toast.shown:has-text('8 pieces are already waiting')")
    page.click("[data-source=romantic]")
    slide(page, "#piece-length", 0)
    # The form refuses an invalid seed without a request.
    before = daemon.get("/render")["pieces"]
    for seed in ["-3", "1.5", "16777216"]:
        page.evaluate("document.querySelector('#toast').textContent = ''")
        page.fill("#piece-seed", seed)
        page.click("#piece-make")
        page.wait_for_selector("#toast.shown:has-text('The seed must be a whole number from 0 to 16777215')")
    assert daemon.get("/render")["pieces"] == before
    page.fill("#piece-seed", "11")
    page.uncheck("#piece-harmony")
    page.click("#piece-make")
    made = daemon.wait_until("a piece is requested", lambda: daemon.get("/render")["pieces"])[0]
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
    other = daemon.wait_until("a variation is requested", lambda: next((piece for piece in daemon.get("/render")["pieces"] if piece["id"] > made["id"]), None))
    assert other["request"]["emotion"] == "romantic" and other["request"]["seed"] != 11
    page.locator(f"[data-piece='{other['id']}'] >> text=Cancel").click()
    daemon.wait_until("the piece is cancelled", lambda: all(piece["id"] != other["id"] for piece in daemon.get("/render")["pieces"]))
    # A blend of two emotions, with a random seed.
    page.click("[data-source=calm]", modifiers=["Shift"])
    page.fill("#piece-seed", "")
    page.click("#piece-make")
    blend = daemon.wait_until("a blend is requested", lambda: next((piece for piece in daemon.get("/render")["pieces"] if piece["id"] != made["id"]), None))
    assert blend["request"]["emotion"] == {"romantic": 0.5, "calm": 0.5} and blend["request"]["seed"] > 0, blend
    page.locator(f"[data-piece='{blend['id']}'] >> text=Cancel").click()
    delete(row)
    daemon.wait_until("the piece is deleted", lambda: all(piece["id"] != made["id"] for piece in daemon.get("/render")["pieces"]))
    # A piece from a preset, as FLAC; meanwhile, the page shows the time left.
    page.select_option("#piece-preset", "calm")
    page.select_option("#piece-format", "flac")
    page.click("#piece-make")
    made = daemon.wait_until("a piece from a preset is requested", lambda: daemon.get("/render")["pieces"])[0]
    assert made["request"]["preset"] == "calm" and made["request"]["format"] == "flac", made
    row = page.locator(f"[data-piece='{made['id']}']")
    row.locator(".time:has-text('left')").wait_for()
    row = page.locator(f"[data-piece='{made['id']}'][data-state=ready]")
    row.wait_for(timeout=600_000)
    with page.expect_download() as download:
        row.locator("text=Download").click()
    assert download.value.path().read_bytes().startswith(b"fLaC")
    delete(row)
    row.wait_for(state="detached")
    page.click("[data-source=romantic]")
    # The notes of the piano, without the harmony unticked above, as a MIDI file.
    page.select_option("#piece-format", "midi")
    assert not page.is_checked("#piece-harmony")
    page.click("#piece-make")
    row = page.locator("#pieces li[data-state=ready]").first
    row.wait_for(timeout=600_000)
    with page.expect_download() as download:
        row.locator("text=Download").click()
    assert download.value.suggested_filename.endswith("-romantic.mid"), download.value.suggested_filename
    assert download.value.path().read_bytes().startswith(b"MThd")
    assert daemon.get("/render")["pieces"][0]["request"]["harmony"] is False
    print(f"starvations while rendering: {daemon.get('/status')['losses']['starvations'] - starved}")


def check_http_requests(daemon):
    """Checks that forms on other sites cannot change state, that invalid requests are refused, and that paths cannot escape their folder."""
    def status_of(path, body=None, kind="application/json"):
        request = urllib.request.Request(daemon.address + path, data=body, headers={"Content-Type": kind})
        try:
            urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    assert status_of("/render", b'{"emotion":"calm","seconds":10}', "text/plain") == 415
    assert status_of("/render", b'{"emotion":"calm","seconds":5}') == 400
    assert status_of("/render", b"x" * 100_000) == 413
    assert status_of("/render/99", b'{"delete":true}') == 404
    for path in ["/takes/..%2Fstate.toml", "/takes/.hidden.wav", "/takes/%2Fetc%2Fpasswd", "/page/..%2F..%2Fconfig.rs"]:
        assert status_of(path) == 404, path
    assert status_of("/takes/none.wav", b'{"delete":true}') == 404
