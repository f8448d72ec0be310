"""A trace's page shows everything said, as it was said, and marks the answer where it was found."""

import re
from html import unescape
from urllib.parse import quote

import msgspec
import pytest

from run_pages import HOSTILE, problem, put_run, trace
from served import Answer, get
from stepdown.answers import conclusion
from stepdown.audits import StepJudge
from stepdown.audits.judged_plans import judge_version
from stepdown.audits.plan_adherence import key_of
from stepdown.store import Run, Store, keep_letters
from stepdown.store.derived import carry_over
from stepdown.types import Grade, Plan, Problem, Trace
from stepdown.web.pages.traces import whole_text
from stepdown.web.views.excerpts import LONGEST, excerpt

PLAN = Plan("1. Take the pears.\n2. Add one.", "openai/gpt-4o")


def shown(site: str, run: Run, name: str = "sums/test/0", query: str = "") -> Answer:
    return get(f"{site}/runs/{run.id}/traces/{name}?{query}")


def put_text(run: Run, solution: str, *, asked: Problem | None = None, plan: Plan | None = None) -> Trace:
    made = trace(asked or problem(0), solution, plan=plan)
    run.put_trace(0, made)
    run.put_grades([(0, 0, Grade("wrong", "0", "read it", "default@2"))])
    return made


def test_the_plan_is_numbered_steps_and_every_call_is_verbatim(store: Store, site: str) -> None:
    run = put_run(store, "r")
    made = put_text(run, "Answer:  7", plan=PLAN)
    page = shown(site, run).text
    assert re.search(r'<ol class="steps">\s*<li id="step-1"><span class="math">Take the pears\.</span>', page)
    assert '<li id="step-2"><span class="math">Add one.</span>' in page
    for call in made.calls:
        assert f'class="verbatim" tabindex="0">{call.messages[0].content}</pre>' in page
        assert f'class="verbatim" tabindex="0">{call.reply.text}</pre>' in page
    assert "30 + 20 tokens" in page and "paid for by this run" in page


def test_a_judge_of_the_steps_is_shown_in_place_of_the_rule_where_it_is_asked(store: Store, site: str) -> None:
    run, judge = put_run(store, "r"), StepJudge(f"judge:{HOSTILE}", judge_version())
    made = put_text(run, "Take 3 pears, 3 + 1 = 4.", plan=PLAN)
    keep_letters(run, judge.by, judge.version, block=0, letters={key_of(made): "csa"})
    by_rule = shown(site, run).text
    assert "changed?" not in by_rule and "judge=" in by_rule and "<script>window" not in by_rule
    page = shown(site, run, query=f"judge={quote(HOSTILE)}").text
    assert "changed?" in page and "skipped?" in page and "0 of 2 steps done" in page and "1 part added?" in page
    assert "<script>window" not in page and shown(site, run, query="judge=nobody").status == 404


@pytest.mark.parametrize("solution", ["I think 3.\nAnswer: 7 pears", "We get $\\boxed{7}$ & so on", "She has <b>7</b>"])
def test_the_answer_is_marked_where_it_was_found(store: Store, site: str, solution: str) -> None:
    run = put_run(store, "r")
    put_text(run, solution)
    where = conclusion(solution, "number", question=problem(0).question).where
    assert where
    marked = re.search(r'tabindex="0">([^<]*)<mark[^>]*>([^<]*)</mark>([^<]*)</div>', shown(site, run).text)
    assert marked
    before, found, after = map(unescape, marked.groups())
    assert (before + found + after, found) == (solution, solution[slice(*where)])


def test_every_grader_that_graded_it_is_heard_the_current_one_first(store: Store, site: str) -> None:
    run = put_run(store, "r")
    run.put_grades([(0, 0, Grade("wrong", None, "no final answer line", "strict@2"))])
    page = shown(site, run).text
    assert page.index('<th scope="row">default@2') < page.index('<th scope="row">strict@2')
    assert "no final answer line" in page


def elsewhere(page: str) -> list[tuple[str, ...]]:
    table = page[page.index('id="elsewhere"') :]
    row = (
        r'<a href="(/runs/\w+/traces/[^"]+)">([^<]+)</a>.*?title="([^"]+)">([^<]+)</td>\s*'
        r'<td class="wide-only">([^<]+)</td>\s*<td><span class="badge (\w+)">.*?<td>([^<]+)<.*?'
        r'<td class="n wide-only">([^<]+)<'
    )
    return re.findall(row, table[: table.index("</table>")], re.DOTALL)


def test_the_same_problem_in_other_runs_says_who_found_what_for_how_much(store: Store, site: str) -> None:
    run = put_run(store, "r")
    two = put_run(store, "w", method="trace-of-thought", student="ollama/other", teacher="openai/gpt-4o")
    three = put_run(store, "rrw", samples=3)
    assert elsewhere(shown(site, run).text) == [
        (f"/runs/{three.id}/traces/sums/test/0", "direct ×3", "ollama/small", "small", "–", "right", "1", "150"),
        (f"/runs/{two.id}/traces/sums/test/0", "trace-of-thought", "ollama/other", "other", "gpt-4o", "wrong", "0",
         "150"),
    ]  # fmt: skip


def test_of_more_than_twenty_other_runs_the_older_ones_are_counted(store: Store, site: str) -> None:
    runs = [put_run(store, "r", student=f"ollama/{number}") for number in range(24)]
    page = shown(site, runs[-1]).text
    assert len(elsewhere(page)) == 20 and "3 older runs left out" in page
    assert runs[3].id in page and runs[2].id not in page


def test_a_copied_trace_says_where_a_correction_counts(store: Store, site: str) -> None:
    first = put_run(store, "rr")
    derived = carry_over(first, msgspec.structs.replace(first.settings, plans=f"edited/{first.id}"))
    assert f'kept in run <a href="/runs/{derived.id}/traces/sums/test/0' in shown(site, first).text
    page = shown(site, derived).text
    assert f'a copy from run <a href="/runs/{first.id}/traces/sums/test/0' in page and "stays here." in page


def test_truncation_leaks_faults_and_edits_are_said(store: Store, site: str) -> None:
    run = put_run(store, "r")
    plan = Plan("1. Do it.", "openai/gpt-4o").edit(
        "Do not solve it.", "So the answer is 47.", author="ada", why="it was vague"
    )
    run.put_trace(0, trace(problem(46), "Answer: 47", plan=plan, finish=False))
    page = shown(site, run, "sums/test/46").text
    assert all(words in page for words in ("token limit", "plan holds the answer", "forbids solving", "it was vague"))


def test_a_failed_call_is_said_and_is_not_wrong(store: Store, site: str) -> None:
    page = shown(site, put_run(store, "-")).text
    assert "the endpoint said no" in page and '<span class="badge ungraded">' in page


def test_previous_and_next_keep_to_the_filter(store: Store, site: str) -> None:
    page = shown(site, put_run(store, "wrwrw"), "sums/test/2", "where=wrong&words=pears").text
    sides = dict(re.findall(r'rel="(prev|next)" href="[^"]*/traces/sums/test/(\d)\?where=wrong&amp;words=pears', page))
    assert sides == {"prev": "0", "next": "4"}


def test_samples_of_a_problem_lie_side_by_side(store: Store, site: str) -> None:
    run = put_run(store, "rwr" * 2, samples=3)
    page = shown(site, run, "sums/test/1", "sample=1").text
    assert re.findall(r"sample (\d) <span class=\"badge (\w+)\">", page) == [
        ("0", "right"),
        ("1", "wrong"),
        ("2", "right"),
    ]
    assert shown(site, run, "sums/test/1", "sample=3").status == shown(site, run, "sums/9").status == 404
    assert shown(site, run, "sums/test/1", "sample=x").status == 404


def test_mathematics_is_marked_for_drawing_and_single_dollars_only_for_expressions(store: Store, site: str) -> None:
    run = put_run(store, "r")
    put_text(run, "It costs $5 and $6.", asked=problem(0))
    assert "data-single" not in shown(site, run).text
    put_text(run, "So $x = 1$.", asked=problem(0, kind="expression"))
    page = shown(site, run).text
    assert 'class="solution math" data-single' in page
    # The gold answer is 1, and what was found 0: both are drawn, side by side.
    assert [page.count(f"<span data-formula>{answer}</span>") for answer in "10"] == [1, 1]


def test_hostile_texts_are_text(store: Store, site: str) -> None:
    run = put_run(store, "r")
    name = "odd/?#<i>%2F"
    asked = Problem(name, HOSTILE, HOSTILE, choices=(HOSTILE, "b"), kind="text")
    run.put_trace(0, trace(asked, HOSTILE, plan=Plan(HOSTILE, HOSTILE)), extra=HOSTILE.encode())
    run.put_grades([(0, 0, Grade("wrong", HOSTILE, HOSTILE, "default@2"))])
    page = shown(site, run, "odd/%3F%23%3Ci%3E%252F")
    assert page.status == 200
    assert "<script>window" not in page.text and "<img src=x" not in page.text and "style=" not in page.text
    assert HOSTILE in unescape(page.text)


def test_a_megabyte_of_one_word_is_cut_and_can_be_had_whole(store: Store, site: str) -> None:
    run, solution = put_run(store, "r"), "a" * 1_000_000
    made = put_text(run, solution, plan=PLAN)
    page = shown(site, run)
    assert len(page.text) < 300_000 and f"{1_000_000 - LONGEST:,} more characters" in page.text
    whole = shown(site, run, query="text=1")
    assert whole.text == whole_text(made, (Grade("wrong", "0", "read it", "default@2"),)) and solution in whole.text
    assert whole.headers["content-type"].startswith("text/plain")
    assert whole.headers["x-content-type-options"] == "nosniff" and "attachment" in whole.headers["content-disposition"]


@pytest.mark.parametrize("start", [0, LONGEST - 3, LONGEST - 1, LONGEST, LONGEST + 200, LONGEST + 900, 90_000 - 5])
def test_a_passage_leaves_out_only_what_it_says(start: int) -> None:
    text = "".join(chr(0x4E00 + number % 5000) for number in range(90_000))
    cut = excerpt(text, (start, start + 5))
    kept = cut.lead + cut.before + cut.marked + cut.after
    assert len(kept) + cut.left_out == len(text)
    assert (cut.lead + cut.before + cut.marked).endswith(text[start : start + 5])
    assert cut.gap == (start - 500 > LONGEST)
