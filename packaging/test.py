"""Tests the package in a minimal Debian: installs it, boots, plays, sets a parameter, upgrades and purges.

    sudo python3 packaging/test.py target       # target contains the package that `make deb` built

Needs mmdebstrap, systemd-nspawn and dpkg-dev, and a Debian mirror for the package's dependencies.
"""

import json
import math
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, minimal_debian, run, wait

OUT = Path(sys.argv[1]).resolve()
CLIENTS = Path(__file__).resolve().parent.parent / "tests" / "clients"


class Machine:
    """A Debian root file system that can be booted as a container."""

    def __init__(self, root):
        self.root = root
        self.nspawn = self.leader = None

    def nspawn_command(self, *options):
        # Unregistered, so that the host needs neither systemd nor D-Bus.
        return ["systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit", "--resolv-conf=replace-host",
                "--setenv=DEBIAN_FRONTEND=noninteractive", *options]

    def chroot(self, *command):
        return run(*self.nspawn_command("--pipe"), *command, stdin=subprocess.DEVNULL)

    def boot(self):
        log = open(self.root.parent / "boot.log", "w")
        self.nspawn = subprocess.Popen(
            self.nspawn_command("--boot", "--private-network", "--console=pipe"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def leader():
            children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            for child in children:
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
            return None

        self.leader = wait("the machine boots", leader)
        wait("systemd is running", lambda: "running" in self.run("sh", "-c", "systemctl is-system-running || true")
             or "degraded" in self.run("sh", "-c", "systemctl is-system-running || true"))

    def run(self, *command, **options):
        """Runs a command in the booted machine, as root."""
        return run("nsenter", "--target", self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                   "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8", *command, **options)

    def run_as_alice(self, command):
        return self.run_as("alice", command)

    def run_as(self, user, command):
        return self.run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env", f"HOME=/home/{user}",
                       "sh", "-c", f"cd && {command}")

    def status(self, *options):
        # Ignore the exit status, which reports that there is no audio device here.
        output = self.run("sh", "-c", f"melos status --json {' '.join(options)} 2>&1 || true")
        if not output.startswith("{"):
            raise SystemExit(output)
        return json.loads(output)

    def shut_down(self):
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                subprocess.run(["kill", "-s", "RTMIN+4", self.leader])
            try:
                self.nspawn.wait(30)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()


def repack(package, version, work):
    """Builds a package with a later version number and changed files, and returns its path."""
    tree = work / "repacked"
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN" / "control"
    lines = [f"Version: {version}" if line.startswith("Version: ") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    with open(tree / "etc/melos/melos.toml", "a") as file:
        file.write("# shipped with the next version\n")
    with open(tree / "usr/share/melos/presets/calm.toml", "a") as file:
        file.write("# shipped with the next version\n")
    later = work / f"melos_{version}.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, later)
    shutil.rmtree(tree)
    return later


def rms(file):
    """Returns the RMS level of a 16-bit or 24-bit WAV file; full scale is 1."""
    data = Path(file).read_bytes()
    width = struct.unpack_from("<H", data, data.index(b"fmt ") + 22)[0] // 8
    start = data.index(b"data") + 8
    steps = float(1 << (8 * width - 1))
    samples = [int.from_bytes(data[at:at + width], "little", signed=True) / steps for at in range(start, len(data) - width + 1, width)]
    return math.sqrt(sum(value * value for value in samples) / len(samples))


def install(machine, package):
    (machine.root / "melos.deb").write_bytes(package.read_bytes())
    machine.chroot("apt-get", "update", "-q")
    machine.chroot("apt-get", "install", "-yq", "--no-install-recommends", "/melos.deb", "systemd-sysv")
    output = machine.chroot("melos", "check", "/etc/melos/melos.toml", "/usr/share/melos/presets", "/usr/share/melos/mappings",
                            "/usr/share/melos/models")
    check("the shipped files are valid with nothing but the package's dependencies installed", "0 problems" in output, output)
    machine.chroot("melos", "render", "--seconds", "2", "--emotion", "calm", "--seed", "7", "-o", "/root/calm.wav")
    check("rendering works", (machine.root / "root/calm.wav").stat().st_size > 100_000)
    for page in ("melos", "melos-run", "melos-status"):
        check(f"the manual page {page} is installed", (machine.root / f"usr/share/man/man1/{page}.1.gz").exists())
    # Only this test needs the following packages.
    machine.chroot("apt-get", "install", "-yq", "--no-install-recommends", "jackd2", "jack-capture", "liblo-tools",
                   "python3-jack-client", "python3-mido")


def play_as_service(machine):
    machine.run("useradd", "--create-home", "--groups", "melos", "--shell", "/bin/bash", "alice")
    machine.run("useradd", "--create-home", "--shell", "/bin/bash", "mallory")
    machine.run("systemctl", "start", "melos")
    wait("the service plays", lambda: machine.status()["seconds"] > 1)
    machine.run("oscsend", "127.0.0.1", "9000", "/melos/emotion", "s", "sad")
    wait("OSC controls the service", lambda: machine.status()["parameters"]["emotion"] == "sad")
    machine.run("melos", "record", "start", "--preroll", "2")
    time.sleep(2)
    machine.run("melos", "record", "stop")
    takes = lambda: machine.run_as_alice("find /var/lib/melos/recordings -name '20*_*.wav' -size +100k").split()
    take = wait("a member of the group finds the recording", takes)[0]
    machine.run_as_alice(f"cp {take} /home/alice/take.wav")
    check("the recording is not silent", rms(machine.root / "home/alice/take.wav") > 1e-4)
    access = machine.run_as("mallory", f"cat {take} >/dev/null 2>&1 && echo readable || echo hidden").strip()
    check("other users cannot read it", access == "hidden", access)
    return take


def upgrade(machine, package, work):
    config = machine.root / "etc/melos/melos.toml"
    config.write_text(config.read_text().replace("# port = 9080", "port = 9081") + "# mine\n")
    machine.run("systemctl", "restart", "melos")
    wait("the user's configuration is used", lambda: machine.status("--http", "9081")["seconds"] > 1)
    later = repack(package, "99.0", work)
    shutil.copy(later, machine.root / "later.deb")
    # Keep modified files, as unattended upgrades do.
    machine.run("dpkg", "--force-confdef", "--force-confold", "-i", "/later.deb")
    check("the user's configuration survives an upgrade", "# mine" in config.read_text())
    check("shipped files are replaced by those of the new version",
          "next version" in (machine.root / "usr/share/melos/presets/calm.toml").read_text())
    status = wait("the service plays again after the upgrade", lambda: (lambda now: now["seconds"] > 1 and now)(machine.status("--http", "9081")))
    check("the mood is kept", status["parameters"]["emotion"] == "sad", status["parameters"]["emotion"])
    machine.run("systemctl", "stop", "melos")


def play_through_jack(machine):
    """Plays as an ordinary user, through a JACK server without a sound card, controlled by a JACK MIDI client."""
    for client in ("jack_midi_send.py",):
        shutil.copy(CLIENTS / client, machine.root / "opt" / client)
    environment = "export JACK_NO_AUDIO_RESERVATION=1 JACK_NO_START_SERVER=1;"
    start_unit = lambda name, command: machine.run(
        "systemd-run", f"--unit={name}", "--uid=alice", "--setenv=JACK_NO_AUDIO_RESERVATION=1", "--setenv=JACK_NO_START_SERVER=1",
        "--setenv=HOME=/home/alice", "--working-directory=/home/alice", "--quiet", *command.split())
    start_unit("jack", "jackd -r -S -t 3000 -d dummy -r 48000 -p 1024")
    wait("JACK is running", lambda: "system:playback_1" in machine.run_as_alice(environment + "jack_lsp"))
    # The system-wide configuration, which also applies to this user, now sets a different port.
    start_unit("melos-alice", "melos run --audio jack --preset calm --http 9080")
    wait("Melos plays through JACK", lambda: "melos" in machine.run_as_alice(environment + "jack_lsp -c system:playback_1"))
    machine.run_as_alice(environment + "python3 /opt/jack_midi_send.py melos:midi_in controls")
    wait("a program change from the JACK MIDI client loads a preset",
         lambda: machine.status()["parameters"]["preset"] == "sad")
    machine.run_as_alice(environment + "jack_capture --no-stdin -d 3 --channels 2 --port melos-audio:left --port melos-audio:right --format wav --bitdepth 16 recorded.wav")
    check("Melos's output on the JACK server is audible", rms(machine.root / "home/alice/recorded.wav") > 1e-4)
    machine.run("systemctl", "stop", "melos-alice", "jack")
    check("the user's state is in the user's home", (machine.root / "home/alice/.local/state/melos/state.toml").exists())


def purge(machine, take):
    machine.run("apt-get", "remove", "-yq", "melos")
    check("the configuration is kept after removal", (machine.root / "etc/melos/melos.toml").exists())
    output = machine.run("apt-get", "purge", "-yq", "melos")
    for gone in ("usr/bin/melos", "usr/lib/melos", "usr/share/melos", "etc/melos/melos.toml", "var/lib/melos/state.toml"):
        check(f"/{gone} is gone after the purge", not (machine.root / gone).exists())
    check("recordings are kept, and the output says where", (machine.root / take.lstrip("/")).exists() and "recordings are kept" in output, output)


def main():
    packages = sorted(OUT.glob("melos_*.deb"))
    check("there is one package", len(packages) == 1, f"found {[str(package) for package in packages]}; run `make deb`")
    work = Path(tempfile.mkdtemp(prefix="melos-package-test-"))
    machine = Machine(work / "root")
    try:
        machine.root.mkdir(mode=0o755)
        run("tar", "-C", machine.root, "-xf", minimal_debian(OUT))
        install(machine, packages[0])
        machine.boot()
        take = play_as_service(machine)
        upgrade(machine, packages[0], work)
        play_through_jack(machine)
        purge(machine, take)
    except SystemExit:
        if machine.leader:
            print(machine.run("journalctl", "-u", "melos", "-u", "melos-alice", "-u", "jack", "--no-pager", "-o", "cat"), file=sys.stderr)
        raise
    finally:
        machine.shut_down()
        shutil.rmtree(work)


main()
