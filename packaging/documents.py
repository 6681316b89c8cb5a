"""Finds the documented commands that the tests of the package and of the container image run."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def rows():
    """Returns the rows of the table, runner and prefix."""
    lines = (ROOT / "tests" / "documented_commands").read_text().splitlines()
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def runner(command, table):
    return next((runner for runner, prefix in table if f"{command} ".startswith(f"{prefix} ")), None)


def commands(wanted):
    """Returns the documented commands of a runner, once each, in the order in which they appear."""
    table, found = rows(), []
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*.md"))]:
        fence = None
        for line in document.read_text().splitlines():
            if line.startswith("```"):
                fence = line[3:] if fence is None else None
            elif fence == "sh":
                found.append(line.split("  #")[0].split(" # ")[0].strip())
            elif fence is None:
                found += [code for code in re.findall("`([^`]+)`", line) if " " in code and not code.startswith("melos ")]
    return [command for command in dict.fromkeys(found) if runner(command, table) == wanted]
