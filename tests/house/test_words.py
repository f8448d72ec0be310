"""One meaning per noun: no two public classes of one name, and none of the words that this project's code gave up."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from source_tree import SRC, files, tree_of

# Private words for things that the field has names for; docs/glossary.md has the names.
GIVEN_UP = {
    *("anew", "apart", "crew", "crossings", "desk", "door", "doors", "elections", "flight", "flights", "hear", "heard"),
    *("inward", "ledger", "manner", "obituary", "outward", "purse", "purses", "said", "spoken", "told", "unseen"),
    *("worth",),
}


def public_classes() -> Iterator[tuple[str, str]]:
    for path in files():
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(path.relative_to(SRC))


def names() -> Iterator[tuple[str, str]]:
    """Yield each file, class and parameter name with where it is."""
    for path in files():
        where = str(path.relative_to(SRC))
        yield path.stem, where
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                yield node.name, where
            elif isinstance(node, ast.arg):
                yield node.arg, where


def local_names() -> Iterator[tuple[str, str]]:
    """Yield each name that a function, a variable or an attribute is given, with where it is."""
    for path in files():
        where = str(path.relative_to(SRC))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, where
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, where
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield node.attr, where


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)}


def test_no_two_public_classes_have_one_name() -> None:
    homes = defaultdict(list)
    for name, where in public_classes():
        homes[name].append(where)
    shared = {name: where for name, where in homes.items() if len(where) > 1}
    assert not shared


def test_no_function_or_variable_has_a_word_that_was_given_up() -> None:
    # What is set apart, and requests in flight, are plain English.
    words = GIVEN_UP - {"apart", "flight", "flights"}
    found = {f"{where}: {name}" for name, where in local_names() if words_of(name) & words}
    assert not found


def test_no_file_class_or_parameter_has_a_word_that_was_given_up() -> None:
    found = {f"{where}: {name}" for name, where in names() if words_of(name) & GIVEN_UP}
    assert not found
