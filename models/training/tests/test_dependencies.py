"""Tests that all imports are declared as dependencies, and that all dependencies are pinned with hashes."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normalized(name: str) -> str:
    """Returns a distribution's name in the form that pip compares (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return {normalized(re.split(r"[\[<>=!~; ]", requirement)[0]) for names in lists for requirement in names}


def imported(pattern: str) -> Iterator[tuple[Path, str]]:
    """Yields the file and the top-level module of every absolute import."""
    for path in sorted(ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield path, node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("pattern", "extras"),
    [
        ("melos_training/*.py", ()),
        ("melos_training/**/*.py", ("evaluation",)),
        ("tests/*.py", ("evaluation", "test")),
    ],
)
def test_imports_are_declared(pattern: str, extras: tuple[str, ...]) -> None:
    own = {"melos_training", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    distributions = packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in imported(pattern)
        if name not in sys.stdlib_module_names | own
        and not {normalized(distribution) for distribution in distributions[name]} & declared(*extras)
    }
    assert not undeclared


def test_dependencies_are_pinned_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", "")
    pins = {normalized(line.split("==")[0]): line for line in lock.splitlines() if line and not line.startswith("#")}
    required = declared(*PROJECT["optional-dependencies"]) - {normalized(PROJECT["name"])}
    assert required <= pins.keys()
    assert all("--hash=sha256:" in line for line in pins.values())
