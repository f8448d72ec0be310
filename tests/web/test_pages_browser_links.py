"""In a real browser: every link leads somewhere whatever an id holds, and a keyboard reaches whatever scrolls."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page, expect

from browser import violations, watched
from run_pages import put_run
from served import served
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Store
from stepdown.types import Messages, Problem, Sampling
from stepdown.web.state import State

pytestmark = pytest.mark.slow
STUDENT, OTHER = "openai/student", "openai/other"
IDS = (
    ".", "..", "a/../b", "./x", "x/.", "50%", "a%2Fb", "%2e%2e/x", "why#1", "q?x=1&y", "ä/日本 語", "a b+c",
    "line\nend", "/lead", "trail/", "x//y", '"><i>', "\\back", "...", "'(~;:@,!$*)", "\u202ebidi", "plain/1",
)  # fmt: skip
FORMULAS = (
    r"\begin{align*} x &= 1 \\ y &= 2 \end{align*}",
    r"\begin{align} a &= b \label{one} \tag{1} \\ c &= d \nonumber \end{align}",
    r"\[ \begin{align*} x &= 1 \end{align*} \]",
    r"\begin{equation} E = mc^2 \end{equation}",
    r"\begin{gather*} u \\ v \end{gather*}",
    r"\begin{eqnarray} a &=& b \end{eqnarray}",
    r"\begin{multline*} a \\ + b \end{multline*}",
    r"\begin{cases} 1 \\ 2 \end{cases}",
    r"\begin{pmatrix} 1 & 2 \end{pmatrix}",
    r"\begin{alignat*}{2} a &= b &\quad c &= d \end{alignat*}",
)
PLAIN = r"\begin{tikzpicture} \draw (0,0); \end{tikzpicture}", r"\begin{align*} \nonsense x \end{align*}"
WIDE = r"\begin{align*} x = " + " + ".join("abcdefg"[n % 7] + f"_{{{n}}}" for n in range(90)) + r" \end{align*}"
SOLUTION = "\n\n".join([*FORMULAS, *PLAIN, WIDE, "And so on.\n" * 200, "Answer: 7"])
CRAWL = """async () => {
  const seen = new Set([location.href]), wait = [location.href], bad = [];
  while (wait.length && seen.size < 2000) {
    const at = wait.shift(), answer = await fetch(at, {headers: {Accept: "text/html"}});
    if (!answer.ok) bad.push(`${answer.status} ${at}`);
    if (!(answer.headers.get("content-type") || "").includes("html")) continue;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const link of page.querySelectorAll("a[href]")) {
      const to = new URL(link.getAttribute("href"), answer.url);
      to.hash = "";
      if (to.origin !== location.origin || /logout|text=1|compare/.test(to) || seen.has(to.href)) continue;
      seen.add(to.href);
      wait.push(to.href);
    }
  }
  return {bad, seen: [...seen]};
}"""


def speak(messages: Messages, sampling: Sampling, sample: int) -> str:
    return "Answer: 1" if "with care" in messages[-1].content else "Answer: 99"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server whose problems have odd ids, and the run that has them all wrong."""
    path: Path = tmp_path_factory.mktemp("odd") / "odd.sqlite"
    problems = [Problem(name, f"Question {place}?", "1") for place, name in enumerate(IDS)]
    problems.append(Problem("math", "What is \\(x\\)?", "7", kind="expression"))
    teacher = ScriptedModel(lambda *_: f"1. Look at {WIDE}.\n2. Say it.", "openai/teacher")

    def state() -> State:
        made = State(path)
        made.person = "Ann"
        made.models |= {name: ScriptedModel(speak, name) for name in (STUDENT, OTHER)}
        return made

    def solve(messages: Messages, sampling: Sampling, sample: int) -> str:
        return SOLUTION if "What is" in messages[-1].content else speak(messages, sampling, sample)

    with Store(path) as store:
        first = run(problems, "trace-of-thought", student=ScriptedModel(solve, STUDENT), teacher=teacher, store=store)
        put_run(store, "rw")
    with served(state) as address:
        yield address, first.id


def trace_at(page: Page, site: str, run_id: str, name: str) -> None:
    page.goto(f"{site}/runs/{run_id}?where=wrong")
    page.locator("tbody th a").get_by_text(name, exact=True).click()


def test_every_link_leads_somewhere_whatever_an_id_holds(place: tuple[str, str], browser: Browser) -> None:
    with watched(browser, place[0]) as seen:
        page = seen.open("/")
        found = page.evaluate(CRAWL)
        assert found["bad"] == []
        for room in ("traces", "plans"):
            assert sum(f"/runs/{place[1]}/{room}/" in one for one in found["seen"]) >= len(IDS)


def test_what_is_said_of_a_trace_leads_back_to_the_same_list(place: tuple[str, str], browser: Browser) -> None:
    with watched(browser, place[0]) as seen:
        for name in ("..", "50%"):
            trace_at(seen.page, *place, name)
            before = seen.page.url
            assert "where=wrong" in before
            seen.page.locator("#remarks summary").click()
            seen.page.get_by_label("On the plan (delegation)").fill(f"about {name}")
            seen.page.get_by_role("button", name="Keep the remarks").click()
            expect(seen.page.locator("#remarks")).to_contain_text(f"about {name}")
            assert seen.page.url == before


def test_formulas_between_begin_and_end_are_drawn_and_what_cannot_be_is_text(
    place: tuple[str, str], browser: Browser
) -> None:
    with watched(browser, place[0]) as seen:
        page = seen.open(f"/runs/{place[1]}/traces/math")
        box = page.get_by_role("region", name="The solution", exact=True)
        expect(box.locator(".katex-display")).to_have_count(len(FORMULAS) + 1)
        for text in PLAIN:
            assert text in box.inner_text()
        assert page.locator(".katex-error").count() == 0 and seen.complaints == []


def test_a_keyboard_reaches_whatever_scrolls(place: tuple[str, str], browser: Browser) -> None:
    with watched(browser, place[0], width=360) as seen:
        for where in ("traces/math", "plans/math", "queue?at=math"):
            page = seen.open(f"/runs/{place[1]}/{where}")
            page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
            assert (violations(page), seen.sideways) == ([], 0), where
