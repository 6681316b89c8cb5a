"""Tests the container image: builds it from the package, plays in it with each kind of audio, and keeps its state.

    sudo python3 packaging/test_container.py target     # target contains the package that `make deb` built

Needs buildah, jackd2, pulseaudio and mmdebstrap, and a Debian mirror. Buildah runs the containers in a chroot, which works without
a container daemon and inside another container; unlike Docker, it shares the host's network and processes.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from checks import check, minimal_debian, run, wait

OUT = Path(sys.argv[1]).resolve()
BASE, IMAGE = "docker.io/library/debian:bookworm-slim", "melos"
HTTP = 19080
# Run containers without a container daemon, and keep images as plain folders.
os.environ |= {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


def build():
    base = run("buildah", "from", "scratch").strip()
    run("buildah", "add", "-q", base, minimal_debian(OUT), "/")
    run("buildah", "commit", "-q", "--rm", base, BASE)
    # The build context holds only the package, because the output folder is large.
    with tempfile.TemporaryDirectory() as context:
        for package in OUT.glob("melos_*.deb"):
            shutil.copy(package, context)
        run("buildah", "build", "--pull-never", "-f", Path(__file__).with_name("Containerfile"), "-t", IMAGE, context)
    config = json.loads(run("buildah", "inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    check("the image runs as an ordinary user", config["User"] == "melos", config)
    return config["Entrypoint"]


@contextlib.contextmanager
def container(entrypoint, state, *arguments, options=()):
    """Plays in a new container, with the state folder mounted from the host, until the context ends."""
    name = run("buildah", "from", "--pull-never", IMAGE).strip()
    process = subprocess.Popen(
        ["buildah", "run", "-v", f"{state}:/var/lib/melos", *options, name, "--", *entrypoint, "--midi", "off", "--osc", "127.0.0.1:0",
         "--http", str(HTTP), *arguments])
    try:
        yield
    finally:
        # Buildah would kill Melos at once; a container daemon passes the signal on.
        for pid in melos_processes():
            os.kill(pid, signal.SIGTERM)
        process.wait(30)
        run("buildah", "rm", name)


def melos_processes():
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text() == "melos\n" and str(HTTP) in (folder / "cmdline").read_text():
                yield int(folder.name)


def get(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}{path}", timeout=5) as response:
        return response.read().decode()


def status():
    """Returns the status, or None while Melos does not respond."""
    with contextlib.suppress(OSError):
        return json.loads(get("/status"))


def set_emotion(name):
    strings = ("/melos/emotion", ",s", name)
    packet = b"".join(text.encode().ljust(4 * (len(text) // 4 + 1), b"\0") for text in strings)
    request = urllib.request.Request(f"http://127.0.0.1:{HTTP}/osc", packet, {"Content-Type": "application/octet-stream"}, method="POST")
    urllib.request.urlopen(request, timeout=5).close()


def plays_through(output):
    now = status()
    return now and now["state"] == "playing" and output in now["output"].lower() and now["rms_db"] > -90 and now


@contextlib.contextmanager
def server(*command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def main():
    entrypoint = build()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        state.mkdir()
        state.chmod(0o777)
        with container(entrypoint, state, "--audio", "null"):
            wait("plays without audio", lambda: plays_through("null"))
            check("the page is served", "<title>Melos" in get("/page"))
            set_emotion("sad")
            wait("a parameter can be set", lambda: status()["parameters"]["emotion"] == "sad")
        check("the state is on the host", "sad" in (state / "state.toml").read_text())
        with server("jackd", "-d", "dummy", "-r", "48000", "-p", "512"):
            run("jack_wait", "-w", "-t", "20")
            # A JACK server accepts only clients of its own user.
            options = ["-v", "/dev/shm:/dev/shm", "--user", str(os.getuid())]
            with container(entrypoint, state, "--audio", "jack", options=options):
                now = wait("plays through the host's JACK server", lambda: plays_through("jack"))
                check("the state is kept", now["parameters"]["emotion"] == "sad")
        socket, cookie = Path(folder, "native"), Path(folder, "cookie")
        cookie.write_bytes(os.urandom(256))
        cookie.chmod(0o644)
        load = f"module-native-protocol-unix socket={socket} auth-cookie={cookie}"
        with server("pulseaudio", "-n", "--exit-idle-time=-1", "-L", "module-null-sink", "-L", load):
            wait("PulseAudio is running", socket.exists)
            socket.chmod(0o777)
            options = ["-v", f"{socket}:/run/pulse", "-v", f"{cookie}:/run/cookie:ro", "--env", "PULSE_SERVER=unix:/run/pulse",
                       "--env", "PULSE_COOKIE=/run/cookie"]
            with container(entrypoint, state, "--audio", "pulse", options=options):
                wait("plays through the host's PulseAudio", lambda: plays_through("pulse"))


main()
