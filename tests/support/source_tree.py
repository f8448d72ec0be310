"""The package's source as syntax trees, for the tests of its layout and its words."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from places import ROOT

SRC = ROOT / "src" / "stepdown"


def files() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    named = ((".".join(path.relative_to(SRC.parent).with_suffix("").parts), path) for path in files())
    return {name.removesuffix(".__init__"): path for name, path in named}


def imported_modules(path: Path, known: Mapping[str, Path]) -> set[str]:
    """Return the modules of the package that a file imports, for type checking or late in a function as well."""
    found = set[str]()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stepdown":
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module or "" for name in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
    packages = {package for name in found for package in packages_of(name)}
    return found | {package for package in packages if not path.is_relative_to(known[package].parent)}


def packages_of(module: str) -> Iterator[str]:
    """Yield the packages that an import of a module runs first, but for `stepdown` itself."""
    parts = module.split(".")
    return (".".join(parts[:end]) for end in range(2, len(parts)))
