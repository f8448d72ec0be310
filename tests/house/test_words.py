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
# Classes of one name, and uses of such words, that are still to go.
SHARED = {
    *("Body", "Part", "Choice", "Compared", "Costing", "Findings", "Gathering", "Job", "Limits", "Lines"),
    *(
        "Listed",
        "Seen",
        "Spoken",
        "Wanted",
    ),
}
LEFT_OVER = {
    "cli/console/review_prompt.py: Desk",
    "cli/session.py: desk",
    "cli/verbs/serve.py: DoorOptions",
    "cli/verbs/serve.py: door",
    "measuring/votes.py: said",
    "models/http/finish_reasons.py: said",
    "models/http/usage.py: said",
    "models/http/wire.py: Spoken",
    "models/http/wire.py: spoken",
    "models/local/subprocess_model.py: hear",
    "models/local/transformers.py: said",
    "runner/coalescing.py: InFlight",
    "runner/doors.py: doors",
    "runner/run.py: _Crew",
    "web/openai/chunks.py: Spoken",
    "web/openai/requests.py: said",
    "web/pages/compare.py: ledger",
    "web/pages/plans.py: Told",
    "web/pages/reviews.py: said",
    "web/pages/runs.py: ledger",
    "web/pages/traces.py: Said",
    "web/security/auth.py: said",
    "web/views/advice.py: said",
    "web/views/cookies.py: said",
    "web/views/edit_queue.py: Worth",
    "web/views/edit_queue.py: ledger",
    "web/views/run_stats.py: Ledger",
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


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)}


def test_no_two_public_classes_have_one_name() -> None:
    homes = defaultdict(list)
    for name, where in public_classes():
        homes[name].append(where)
    shared = {name: where for name, where in homes.items() if len(where) > 1}
    assert shared.keys() <= SHARED, {name: where for name, where in shared.items() if name not in SHARED}


def test_no_file_class_or_parameter_has_a_word_that_was_given_up() -> None:
    found = {f"{where}: {name}" for name, where in names() if words_of(name) & GIVEN_UP}
    assert found <= LEFT_OVER, found - LEFT_OVER
