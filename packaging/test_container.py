"""Tests the container image: builds it from the package, plays in it with each kind of audio, and keeps its state. The options are those
of the documented docker commands.

    sudo python3 packaging/test_container.py target     # target contains the package that `make deb` built

Needs buildah, jackd2, pulseaudio and mmdebstrap, and a Debian mirror. Buildah runs the containers in a chroot, which works without
a container daemon and inside another container; unlike Docker, it shares the host's network and processes.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import documents
from checks import check, minimal_debian, run, wait

OUT = Path(sys.argv[1]).resolve()
BASE, IMAGE = "docker.io/library/debian:bookworm-slim", "melos"
HTTP = 19080
DOCUMENTED = documents.commands("container")
# The options of `docker run` that belong to `buildah from` and to `buildah run`, and those that Buildah lacks: it never removes
# containers by itself, and the group matters only to a user other than root.
CREATE, RUN, LACKING = ("--device", "--ulimit"), ("--user", "-v", "-e", "--ipc", "--network"), ("--rm", "--group-add")
# Run containers without a container daemon, and keep images as plain folders.
os.environ |= {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


def words(command, environment=()):
    """Returns a documented command's words, expanded by a shell."""
    output = run("sh", "-c", f"printf '%s\\n' {command}", env=os.environ | dict(environment))
    return output.splitlines()


def build():
    base = run("buildah", "from", "scratch").strip()
    run("buildah", "add", "-q", base, minimal_debian(OUT), "/")
    run("buildah", "commit", "-q", "--rm", base, BASE)
    docker, verb, *options, context = words(next(command for command in DOCUMENTED if command.startswith("docker build ")))
    check("the documentation builds the image from the folder of the package", (docker, verb, context) == ("docker", "build", "target"))
    run("buildah", verb, "--pull-never", *options, OUT, cwd=documents.ROOT)
    config = json.loads(run("buildah", "inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    check("the image runs as an ordinary user", config["User"] == "melos", config)
    return config["Entrypoint"]


@contextlib.contextmanager
def container(entrypoint, state, audio, environment=()):
    """Plays in a new container as documented for a kind of audio, with the state folder mounted from the host, until the context
    ends."""
    docker, verb, *rest = words(next(command for command in DOCUMENTED if f"--audio {audio}" in command), environment)
    options, arguments = rest[:rest.index(IMAGE)], rest[rest.index(IMAGE) + 1:]
    chosen = {CREATE: [], RUN: []}
    while options:
        # An option and its value, as one word or as two.
        name, *value = options.pop(0).split("=", 1)
        if name != "--rm" and not value:
            value = [options.pop(0)]
        if name not in CREATE + RUN + LACKING:
            raise SystemExit(f"FAILED the test does not know docker's option {name}")
        if name == "--ulimit" and subprocess.run(["prlimit", f"--{value[0]}", "true"], stderr=subprocess.DEVNULL).returncode:
            print(f"--  this machine does not permit --ulimit {value[0]}: leaving it out", flush=True)
            continue
        for kind in chosen:
            if name in kind:
                chosen[kind] += [name, *value]
    name = run("buildah", "from", "--pull-never", *chosen[CREATE], IMAGE).strip()
    process = subprocess.Popen(
        ["buildah", "run", "-v", f"{state}:/var/lib/melos", *chosen[RUN], name, "--", *entrypoint, "--midi", "off",
         "--osc", "127.0.0.1:0", "--http", str(HTTP), *arguments])
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
        with container(entrypoint, state, "null"):
            wait("plays without audio", lambda: plays_through("null"))
            check("the page is served", "<title>Melos" in get("/page"))
            set_emotion("sad")
            wait("a parameter can be set", lambda: status()["parameters"]["emotion"] == "sad")
        check("the state is on the host", "sad" in (state / "state.toml").read_text())
        with server("jackd", "-d", "dummy", "-r", "48000", "-p", "512"):
            run("jack_wait", "-w", "-t", "20")
            with container(entrypoint, state, "jack"):
                now = wait("plays through the host's JACK server", lambda: plays_through("jack"))
                check("the state is kept", now["parameters"]["emotion"] == "sad")
        # The folders of the user whose PulseAudio it is.
        home, runtime = Path(folder, "home"), Path(folder, "runtime")
        socket, cookie = runtime / "pulse/native", home / ".config/pulse/cookie"
        for file in (socket, cookie):
            file.parent.mkdir(parents=True)
        cookie.write_bytes(os.urandom(256))
        load = f"module-native-protocol-unix socket={socket} auth-cookie={cookie}"
        with server("pulseaudio", "-n", "--exit-idle-time=-1", "-L", "module-null-sink", "-L", load):
            wait("PulseAudio is running", socket.exists)
            with container(entrypoint, state, "pulse", {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}):
                wait("plays through the host's PulseAudio", lambda: plays_through("pulse"))
        if Path("/dev/snd").exists():
            with container(entrypoint, state, "alsa"):
                wait("plays with the host's sound cards", lambda: status()["state"] == "playing")
        else:
            print("--  this machine has no sound card: ALSA is not tested", flush=True)


main()
