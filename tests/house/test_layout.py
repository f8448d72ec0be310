"""The rooms and floors of the design, and the limits of the house, held against the syntax tree."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from places import ROOT
from source_tree import SRC, files, imported_modules, modules, tree_of

FLOORS = {
    **dict.fromkeys(
        (
            *("types", "errors", "extras", "files", "identity", "usercode", "version", "text", "tabular", "untrusted"),
            *(
                "prompts",
                "answers",
                "questions",
                "settings",
                "events",
                "toml_files",
                "shards",
                "loops",
                "usual_stops",
                "cells",
                "frames",
                "full_disks",
            ),
        ),
        0,
    ),
    **dict.fromkeys(("custom", "hosts", "alignment", "object_stores", "methods", "plugins", "workers"), 0),
    **dict.fromkeys(("models", "problems", "graders", "stats", "store", "completion", "tracking", "spans"), 1),
    **dict.fromkeys(("runner", "corpus"), 2),
    **dict.fromkeys(("audits", "exchange", "measuring", "publishing"), 3),
    **dict.fromkeys(("reports", "tasting", "training", "tour"), 4),
    **dict.fromkeys(("cli", "web"), 5),
}
DOORLESS = {"__init__", "__main__", "py"}
FORBIDDEN = {"utils", "util", "helpers", "core", "base", "manager", "common", "misc"}


def room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stepdown."):
            yield (node.module or "").split(".")[1], node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("stepdown."):
                    yield alias.name.split(".")[1], node


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in files()} - DOORLESS <= FLOORS.keys()


def test_a_room_imports_only_from_lower_floors() -> None:
    wrong = [
        f"{path.relative_to(SRC)} imports {imported}"
        for path in files()
        if room(path) not in DOORLESS
        for imported, _ in imports(tree_of(path))
        if imported != room(path)
        and FLOORS[imported] >= FLOORS[room(path)]
        # Words may read words: they are the only floor whose rooms know one another.
        and not FLOORS[imported] == FLOORS[room(path)] == 0
        # Two verbs open the other door.
        and not (path in {SRC / "cli" / "verbs" / f"{one}.py" for one in ("serve", "bundle")} and imported == "web")
    ]
    assert not wrong


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the names along a circle of a graph; none where it has none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {name: imported_modules(path, known) - {name} for name, path in known.items()}
    assert sum(map(len, graph.values())) > len(known) and circle_in({"a": {"b"}, "b": {"a"}})
    assert circle_in(graph) == []


# What needs an extra to be imported is no part of a face, which loads without any.
BEHIND_AN_EXTRA = {
    *(f"stepdown.reports.{name}" for name in ("charts", "cascade_chart", "served_charts")),
    "stepdown.training.charts",
}


def reached_past_a_face(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield what a file imports of another room without its face: a file in the room, or a name of one."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("stepdown."):
            continue
        module = node.module or ""
        if module.split(".")[1] == room(path) or module in BEHIND_AN_EXTRA:
            continue
        if known[module].name != "__init__.py" and module.count(".") > 1:
            yield module
        else:
            inner = [f"{module}.{alias.name}" for alias in node.names if not bound_in(known[module], alias.name)]
            yield from (name for name in inner if name in known and name not in BEHIND_AN_EXTRA)


def bound_in(face: Path, name: str) -> bool:
    """Whether a face itself defines or imports a name."""
    body = tree_of(face).body
    # What stands under `if TYPE_CHECKING` is loaded when it is first imported.
    nodes = [*body, *(inner for node in body if isinstance(node, ast.If) for inner in node.body)]
    return any(
        name in {getattr(node, "name", "")} | {alias.asname or alias.name for alias in getattr(node, "names", [])}
        for node in nodes
    )


def test_outside_a_room_only_its_face_is_imported() -> None:
    known = modules()
    past = {
        f"{path.relative_to(SRC)}: {name}"
        for path in files()
        if path != SRC / "__init__.py"
        for name in reached_past_a_face(path, known)
    }
    assert not past


def names_listed(tree: ast.Module) -> list[str]:
    """The names that a file lists in `__all__`, where it is written out."""
    lists = (node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    parts = (part for node in lists if isinstance(node.value, ast.List) for part in node.value.elts)
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_a_face_lists_no_name_that_it_does_not_have() -> None:
    listed = [(path, name) for path in files() for name in names_listed(tree_of(path))]
    assigned = {
        (path, target.id)
        for path in files()
        for node in tree_of(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    late = {path for path in files() if any(one.name == "__getattr__" for one in functions(tree_of(path)))}
    missing = [one for one in listed if one not in assigned and one[0] not in late and not bound_in(*one)]
    assert len(listed) > 500 and missing == []


def test_floor_zero_imports_only_the_standard_library_and_msgspec() -> None:
    allowed = sys.stdlib_module_names | {"msgspec", "stepdown"}
    wrong = [
        f"{path.relative_to(SRC)} imports {name}"
        for path in files()
        if FLOORS.get(room(path)) == 0
        for node in ast.walk(tree_of(path))
        for name in imported_names(node)
        if name.split(".")[0] not in allowed
    ]
    assert not wrong


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_no_file_is_longer_than_400_lines() -> None:
    tests = (path for path in (ROOT / "tests").rglob("*.py") if "data" not in path.parts)
    measured = [*(ROOT / "benchmarks").rglob("*.py")]
    assert measured and not [
        path.name for path in (*files(), *tests, *measured) if len(path.read_text().splitlines()) > 400
    ]


def test_no_function_is_longer_than_60_lines_or_takes_more_than_8_arguments() -> None:
    wrong = []
    for path in files():
        for node in functions(tree_of(path)):
            arguments = len(node.args.args) + len(node.args.kwonlyargs) - is_method(node)
            if (node.end_lineno or 0) - node.lineno >= 60 or arguments > 8:
                wrong.append(f"{path.relative_to(SRC)}:{node.lineno} {node.name}")
    assert not wrong


def is_method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool(node.args.args) and node.args.args[0].arg in {"self", "cls"}


def test_the_median_function_is_short() -> None:
    sizes = sorted((node.end_lineno or 0) - node.lineno + 1 for path in files() for node in functions(tree_of(path)))
    assert sizes[len(sizes) // 2] <= 10
    assert sizes[len(sizes) * 95 // 100] <= 35


def test_no_room_is_a_drawer() -> None:
    assert not [path for path in files() if FORBIDDEN & set(path.with_suffix("").parts)]


def test_importing_stepdown_loads_no_heavy_library() -> None:
    heavy = "aiohttp,rich,cyclopts,polars,altair,openvino_genai,xllamacpp,genai_prices,math_verify,sympy,torch"
    code = f"import sys, stepdown; print([m for m in '{heavy}'.split(',') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_every_public_name_can_be_loaded() -> None:
    import stepdown

    assert [name for name in stepdown.__all__ if getattr(stepdown, name) is None] == []


def subjects(name: str) -> list[str]:
    return [word.removesuffix("s") for word in name.split("_")]


def test_tests_mirror_the_rooms() -> None:
    of_the_whole = {"house", "docs"}
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    for folder in (path for path in folders if path.name not in of_the_whole):
        room = SRC / folder.name
        files_of = [room, *room.rglob("*.py"), *(path for path in room.rglob("*") if path.is_dir())]
        known = {word for path in files_of for word in subjects(path.stem)}
        assert room.is_dir() or room.with_suffix(".py").exists(), f"there is no room {folder.name}"
        odd = [path.name for path in folder.glob("test_*.py") if subjects(path.stem)[1] not in known]
        assert odd == [], "a test file's name begins with its subject: a word of a source file of its room"
