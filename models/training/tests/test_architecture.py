"""The modules of the package import each other in one direction only."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "melos_training"


def imports(path: Path) -> set[Path]:
    """The files of the package that a file imports, including those imported only for type checking."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.level or (node.module or "").startswith(PACKAGE.name)):
            continue
        folder = path.parents[node.level - 1] if node.level else PACKAGE.parent
        module = folder.joinpath(*(node.module or "").split("."))
        candidates = [module, *(module / alias.name for alias in node.names)]
        found.update(file for file in (each.with_suffix(".py") for each in candidates) if file.is_file())
    return found


def test_there_are_no_circular_imports() -> None:
    graph = {path: imports(path) for path in PACKAGE.rglob("*.py")}
    assert sum(map(len, graph.values())) > 100, "imports are found"
    TopologicalSorter(graph).prepare()
