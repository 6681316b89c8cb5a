"""Tests that the modules of the package do not import each other in cycles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "melos_training"


def imports(path: Path) -> set[Path]:
    """Returns the files of the package that a file imports, including imports for type checking only."""
    imported: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.level or (node.module or "").startswith(PACKAGE.name)):
            continue
        folder = path.parents[node.level - 1] if node.level else PACKAGE.parent
        module = folder.joinpath(*(node.module or "").split("."))
        candidates = [module, *(module / alias.name for alias in node.names)]
        imported.update(file for file in (path.with_suffix(".py") for path in candidates) if file.is_file())
    return imported


def test_the_package_has_no_circular_imports() -> None:
    graph = {path: imports(path) for path in PACKAGE.rglob("*.py")}
    assert sum(map(len, graph.values())) > 100, "too few imports found: the parser probably missed some"
    TopologicalSorter(graph).prepare()
