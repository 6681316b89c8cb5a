"""A minimal Debian that boots, in which the test of the package runs."""

import json
import subprocess
from pathlib import Path

import documents
from checks import run, wait


class Machine:
    """A Debian root file system that can be booted as a container."""

    def __init__(self, root):
        self.root = root
        self.nspawn = self.leader = None
        # The documented commands that have not been run yet.
        self.documented = documents.commands("package")

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
        identity = self.run("id", "-u", user).strip()
        return self.run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env", f"HOME=/home/{user}",
                       f"XDG_RUNTIME_DIR=/run/user/{identity}", "sh", "-c", f"cd && {command}")

    def run_documented(self, start, terminal=False):
        """Runs the documented commands that start like this, with sudo as root and otherwise as alice, and returns their output.
        Some programs, such as editors, need a terminal."""
        commands = [command for command in self.documented if command.startswith(start)]
        if not commands:
            raise SystemExit(f"FAILED the documentation contains no `{start}`")
        output = ""
        for command in commands:
            self.documented.remove(command)
            as_root = command.removeprefix("sudo ")
            if self.leader is None:
                output += self.chroot("sh", "-c", f"cd && {as_root}")
            elif as_root != command:
                wrapped = ["script", "-qec", as_root, "/dev/null"] if terminal else ["sh", "-c", f"cd && {as_root}"]
                output += self.run(*wrapped, stdin=subprocess.DEVNULL)
            else:
                output += self.run_as_alice(command)
            print(f"ok  {command}", flush=True)
        return output

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
