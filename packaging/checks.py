"""What the tests of the package and of the container image share."""

import subprocess
import time
from pathlib import Path

RELEASE = "bookworm"
TIMEOUT = 90


def run(*command, **options):
    """Runs a command and returns its standard output; shows the output only if the command fails."""
    result = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    if result.returncode:
        raise SystemExit(f"FAILED {' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


def check(what, condition, why=""):
    if not condition:
        raise SystemExit(f"FAILED {what}: {why}")
    print(f"ok  {what}", flush=True)


def wait(what, probe):
    """Waits until a probe returns a true value, and returns that value."""
    started = time.monotonic()
    result = None
    while time.monotonic() - started < TIMEOUT:
        try:
            result = probe()
        except SystemExit as failed:
            result = None
            last = failed
        if result:
            print(f"ok  {what}", flush=True)
            return result
        time.sleep(0.25)
    raise SystemExit(f"FAILED {what}: timed out; {locals().get('last', result)}")


def minimal_debian(folder):
    """Returns the path of an archive that contains a minimal Debian with apt; creates it on first use."""
    archive = folder / f"debian-{RELEASE}.tar"
    if not archive.exists():
        run("mmdebstrap", "--variant=minbase", "--format=tar", RELEASE, f"{archive}.new")
        Path(f"{archive}.new").rename(archive)
    return archive
