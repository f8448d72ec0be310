"""In a real browser: Markdown and mathematics of a model are drawn, turn back to the text, and reach nothing."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, expect

from browser import violations, watched
from browser_world import PAYLOADS
from served import served
from stepdown.models import ScriptedModel
from stepdown.problems import Problems
from stepdown.runner import run
from stepdown.store import Run, Store
from stepdown.types import Messages, Problem, Sampling
from stepdown.web.state import State

pytestmark = pytest.mark.slow
ODD = ("**a** ![b](http://198.51.100.7/b.png) <img src=//198.51.100.7/c.png> [x](javascript:alert(1))",
       "> " * 9000, "\\(" * 9000, "\\begin{align}" * 900, "[" * 9000, "**a " * 250_000,
       "\n\n".join(PAYLOADS))  # fmt: skip
SAID = """**Step 1.** Set it up:
\\begin{align*} x &= \\frac{1}{2} + \\frac{1}{4} \\\\ &= \\frac{3}{4} \\end{align*}

| part | value |
|:--|--:|
| *first* | $\\frac{1}{2}$ |

The answer is $\\boxed{\\frac{3}{4}}$."""


def solved(store: Store, texts: tuple[str, ...]) -> Run:
    """A run whose solutions are these texts; each problem asks for an expression."""
    asked = [Problem(f"odd/{n}", f"What is $x$, {n}?", "\\frac{3}{4}", kind="expression") for n in range(len(texts))]
    by_question = {one.question: text for one, text in zip(asked, texts, strict=True)}

    def solve(messages: Messages, sampling: Sampling, sample: int) -> str:
        return next(text for question, text in by_question.items() if question in messages[-1].content)

    student = ScriptedModel(solve, "openai/student")
    return run(Problems("odd", lambda: ((None, one) for one in asked)), "direct", student=student, store=store)


@pytest.fixture
def site(store: Store) -> Iterator[str]:
    with served(lambda: State(store.path)) as address:
        yield address


def test_a_solution_is_drawn_and_turns_back_to_what_was_written(browser: Browser, site: str, store: Store) -> None:
    one = solved(store, (SAID,))
    with watched(browser, site) as seen:
        page = seen.open(f"/runs/{one.id}/traces/odd/0")
        box = page.get_by_role("region", name="The solution", exact=True)
        expect(box.locator("strong")).to_have_text("Step 1.")
        assert box.locator(".katex-display").count() == 1 and box.locator("td .katex").count() == 1
        assert box.locator("mark .katex").count() == 1 and page.locator(".facts [data-formula] .katex").count() == 2
        assert violations(page) == []
        page.get_by_role("button", name="as written").click()
        assert box.inner_text().strip() == SAID and page.locator(".facts .katex").count() == 0
        page.get_by_role("button", name="as written").click()
        expect(box.locator("strong")).to_have_text("Step 1.")
        assert seen.complaints == []


def test_hostile_texts_are_drawn_without_harm_and_ask_for_nothing(browser: Browser, site: str, store: Store) -> None:
    many = solved(store, ODD)
    with watched(browser, site) as seen:
        for number in range(len(ODD)):
            page = seen.open(f"/runs/{many.id}/traces/odd/{number}")
            assert page.locator("main img, main script:not([src^='/static/']), a[href^='javascript']").count() == 0
            assert page.title().startswith("odd/")
        assert seen.complaints == []
