"""Tests the package in a minimal Debian: installs it, boots, plays, sets a parameter, upgrades and purges, and tests the portable
archive. Runs the documented commands that need an installed package.

    sudo python3 packaging/test.py target       # target contains what `make deb dist` built

Needs mmdebstrap, systemd-nspawn and dpkg-dev, and a Debian mirror for the package's dependencies.
"""

import math
import platform
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path

from checks import check, minimal_debian, run, wait
from machine import Machine

OUT = Path(sys.argv[1]).resolve()
CLIENTS = Path(__file__).resolve().parent.parent / "tests" / "clients"
# Presets that belong to a user and to the administrator, not to the package.
OWN_PRESETS = ("home/alice/.config/melos/presets/mine.toml", "etc/melos/presets/house.toml")
# A network that the system unit does not allow by default.
NETWORK = "203.0.113.0/24"


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
    # Answers apt's questions, and leaves out what the package does not need.
    (machine.root / "etc/apt/apt.conf.d/90test").write_text('APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n')
    documented = next(command for command in machine.documented if "apt install" in command).rsplit("/", 1)[1]
    # The documentation names the package for x86-64.
    same = package.name.rsplit("_", 1)[0] == documented.rsplit("_", 1)[0]
    check("the documentation names this version of the package", same, f"{documented}, not {package.name}")
    shutil.copy(package, machine.root / "root" / documented)
    machine.chroot("apt-get", "update", "-q")
    machine.run_documented("sudo apt install")
    output = machine.chroot("melos", "check", "/etc/melos/melos.toml", "/usr/share/melos/presets", "/usr/share/melos/mappings",
                            "/usr/share/melos/models")
    check("the shipped files are valid with nothing but the package's dependencies installed", "0 problems" in output, output)
    machine.chroot("melos", "render", "--seconds", "2", "--emotion", "calm", "--seed", "7", "-o", "/root/calm.wav")
    check("rendering works", (machine.root / "root/calm.wav").stat().st_size > 100_000)
    for page in ("melos", "melos-run", "melos-status"):
        check(f"the manual page {page} is installed", (machine.root / f"usr/share/man/man1/{page}.1.gz").exists())
    for file in ("lib/systemd/system/melos.service", "lib/systemd/user/melos.service", "share/bash-completion/completions/melos",
                 "share/zsh/vendor-completions/_melos", "share/fish/vendor_completions.d/melos.fish", "share/doc/melos/README.md"):
        check(f"/usr/{file} is installed", (machine.root / "usr" / file).stat().st_size > 100)
    machine.chroot("bash", "-c", "source /usr/share/bash-completion/completions/melos && complete -p melos")
    # Only this test needs the following packages, except those that every desktop and every administrator has.
    machine.chroot("apt-get", "install", "jackd2", "jack-capture", "liblo-tools", "python3-jack-client", "python3-mido",
                   "systemd-sysv", "libpam-systemd", "dbus-user-session", "adduser", "ufw")


def play_as_service(machine):
    for user in ("alice", "mallory"):
        machine.run("useradd", "--create-home", "--shell", "/bin/bash", user)
    machine.run_documented("sudo systemctl enable")
    wait("the service plays", lambda: machine.status()["seconds"] > 1)
    check("the service starts at boot", machine.run("systemctl", "is-enabled", "melos").strip() == "enabled")
    output = machine.run_documented("systemctl status")
    check("systemd reports the service as running", "active (running)" in output, output)
    output = machine.run_documented("sudo journalctl")
    check("the journal contains the service's log", "listening for OSC" in output, output)
    machine.run("oscsend", "127.0.0.1", "9000", "/melos/emotion", "s", "sad")
    wait("OSC controls the service", lambda: machine.status()["parameters"]["emotion"] == "sad")
    machine.run("melos", "record", "start", "--preroll", "2")
    time.sleep(2)
    machine.run("melos", "record", "stop")
    takes = lambda: machine.run("sh", "-c", "find /var/lib/melos/recordings -name '20*_*.wav' -size +100k").split()
    take = wait("there is a recording", takes)[0]
    access = lambda user: machine.run_as(user, f"cat {take} >/dev/null 2>&1 && echo readable || echo hidden").strip()
    check("a user cannot read it", access("alice") == "hidden")
    machine.run_documented("sudo adduser")
    machine.run_as_alice(f"cp {take} /home/alice/take.wav")
    check("a member of the group can read it, and it is not silent", rms(machine.root / "home/alice/take.wav") > 1e-4)
    check("other users still cannot", access("mallory") == "hidden")
    return take


def configure(machine):
    """Adds presets, reloads the files, opens the firewall and edits the unit, as a user and an administrator would."""
    for preset in OWN_PRESETS:
        file = machine.root / preset
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'schema = 1\nname = "{file.stem}"\nemotion = "calm"\n')
    machine.run("chown", "-R", "alice:alice", "/home/alice")
    output = machine.run_documented("melos check")
    check("the user's and the administrator's files are checked", "3 files checked, 0 problems" in output, output)
    machine.run_documented("sudo systemctl reload")
    wait("the service finds the administrator's preset", lambda: "house" in machine.run("melos", "presets"))
    machine.run_documented("sudo ufw")
    output = machine.run("ufw", "show", "added")
    check("the firewall rules are added", "port 9000" in output and "port 9080" in output, output)
    # systemd keeps only what follows this comment.
    editor = machine.root / "usr/bin/editor"
    editor.write_text(f"#!/bin/sh\nsed -i '/^### Anything between/a [Service]\\nIPAddressAllow={NETWORK}' \"$1\"\n")
    editor.chmod(0o755)
    machine.run_documented("sudo systemctl edit", terminal=True)
    allowed = machine.run("systemctl", "show", "melos", "-p", "IPAddressAllow")
    check("the unit can be edited", NETWORK in allowed, allowed)


def play_on_a_desktop(machine):
    """Plays with the user unit, in place of the system unit."""
    machine.run("systemctl", "stop", "melos")
    machine.run("loginctl", "enable-linger", "alice")
    wait("the user's systemd is running", lambda: machine.run_as_alice("systemctl --user is-system-running || true").strip() in ("running", "degraded"))
    output = machine.run_documented("systemctl --user")
    check("systemd reports the user's service as running", "active (running)" in output, output)
    wait("the user's service plays", lambda: machine.status()["seconds"] > 1)
    check("the user's preset is found", "mine" in machine.run("melos", "presets"))
    machine.run_as_alice("systemctl --user disable --now melos")


def upgrade(machine, package, work):
    config = machine.root / "etc/melos/melos.toml"
    config.write_text(config.read_text().replace("# port = 9080", "port = 9081") + "# mine\n")
    machine.run("systemctl", "restart", "melos")
    wait("the administrator's configuration is used", lambda: machine.status("--http", "9081")["seconds"] > 1)
    later = repack(package, "99.0", work)
    shutil.copy(later, machine.root / "later.deb")
    # Keep modified files, as unattended upgrades do.
    machine.run("dpkg", "--force-confdef", "--force-confold", "-i", "/later.deb")
    check("the administrator's configuration survives an upgrade", "# mine" in config.read_text())
    check("shipped files are replaced by those of the new version",
          "next version" in (machine.root / "usr/share/melos/presets/calm.toml").read_text())
    check_own_presets(machine, "an upgrade")
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


def check_own_presets(machine, event):
    for preset in OWN_PRESETS:
        check(f"/{preset} survives {event}", (machine.root / preset).exists())


def purge(machine, take):
    machine.run("apt-get", "remove", "-yq", "melos")
    check("the configuration is kept after removal", (machine.root / "etc/melos/melos.toml").exists())
    output = machine.run("apt-get", "purge", "-yq", "melos")
    for gone in ("usr/bin/melos", "usr/lib/melos", "usr/share/melos", "etc/melos/melos.toml", "var/lib/melos/state.toml"):
        check(f"/{gone} is gone after the purge", not (machine.root / gone).exists())
    check("recordings are kept, and the output says where", (machine.root / take.lstrip("/")).exists() and "recordings are kept" in output, output)
    check_own_presets(machine, "a purge")


def run_from_archive(machine, archive):
    """Runs the program from the unpacked archive, as an ordinary user, on a machine without the package."""
    run("tar", "-C", machine.root / "home/alice", "--no-same-owner", "-xzf", archive)
    folder = archive.name.removesuffix(".tar.gz")
    output = machine.run_as_alice(f"{folder}/bin/melos --version")
    check("the archive's program runs", output.split() == ["melos", folder.split("-")[1]], output)
    output = machine.run_as_alice(f"{folder}/bin/melos check {folder}/share/melos")
    check("the archive's files are valid", "0 problems" in output, output)
    machine.run_as_alice(f"{folder}/bin/melos render --seconds 2 --emotion calm --seed 7 -o archive.wav")
    check("it renders with the archive's networks", rms(machine.root / "home/alice/archive.wav") > 1e-4)


def only(pattern):
    """Returns the only file of this name in the folder of the packages."""
    found = sorted(OUT.glob(pattern))
    check(f"there is one {pattern}", len(found) == 1, f"found {[str(file) for file in found]}; run `make deb dist`")
    return found[0]


def main():
    package, archive = only("melos_*.deb"), only(f"melos-*-linux-{platform.machine()}.tar.gz")
    work = Path(tempfile.mkdtemp(prefix="melos-package-test-"))
    machine = Machine(work / "root")
    try:
        machine.root.mkdir(mode=0o755)
        run("tar", "-C", machine.root, "-xf", minimal_debian(OUT))
        install(machine, package)
        machine.boot()
        take = play_as_service(machine)
        configure(machine)
        play_on_a_desktop(machine)
        upgrade(machine, package, work)
        play_through_jack(machine)
        purge(machine, take)
        run_from_archive(machine, archive)
        check("every documented command was run", not machine.documented, machine.documented)
    except SystemExit:
        if machine.leader:
            print(machine.run("journalctl", "-u", "melos", "-u", "melos-alice", "-u", "jack", "--no-pager", "-o", "cat"), file=sys.stderr)
        raise
    finally:
        machine.shut_down()
        shutil.rmtree(work)


main()
