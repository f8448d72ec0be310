"""Templates of strangers print fields and choose between texts; what could cost or reach more is refused by name."""

import re
import tracemalloc
from typing import Any

import pytest

from stepdown.errors import UsageError
from stepdown.exchange.lm_eval_patterns import LONGEST
from stepdown.exchange.lm_eval_templates import compile_template

ROW: dict[str, Any] = {"q": " Why? ", "answer": "1+1=2\n#### 2", "n": 3, "choices": ["up", "down"], "none": None}


def made(template: str, **more: Any) -> str:
    return compile_template(template, "doc_to_text", "task.yaml")({**ROW, **more})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Q: {{q.strip()}}\n", "Q: Why?\n"),
        ("{{answer.split('####')[-1].strip() if answer is defined else target}}", "2"),
        ("{% if none is not none %}{{none}}{% else %}{{n|string}}{% endif %}", "3"),
        ("{{['A','B','C','D'][n - 1]}}. {{choices[1]}} {{choices|join(', ')}}", "C. down up, down"),
        ("{{answer[4:5] + '!'}}{{q|trim|upper}}", "2!WHY?"),
        ("{{answer[:-2][::2]}}{{choices[1:][0][0]}}{{(choices + choices)[2:]}}", "112##d['up', 'down']"),
        ("{{answer|regex_replace('[0-9]', '#')}}", "#+#=#\n#### #"),
        ("{{choices}} {{ {'a': (n, q)} }}{{choices|upper}}", "['up', 'down'] {'a': (3, ' Why? ')}['UP', 'DOWN']"),
        ("{{'-'.join(choices)}}{{q.replace('?', '!')}}", "up-down Why! "),
        ("{{choices[0].replace('', '.', count=1)}}{{choices[0].replace('', '.', 2)}}", ".up.u.p"),
    ],
)
def test_fields_conditions_and_texts_are_read(template: str, text: str) -> None:
    assert made(template) == text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for x in choices %}{{x}}{% endfor %}", "for"),
        ("{% set x = q + q %}{{x}}", "assign"),
        ("{% macro m() %}x{% endmacro %}", "macro"),
        ("{% include 'x' %}", "include"),
        ("{{q * 9999999}}", "mul"),
        ("{{q ** 9}}", "pow"),
        ("{{'%999999999d' % n}}", "mod"),
        ("{{q.center(10)}}", "a call of `center`"),
        ("{{'{0}'.format(q)}}", "a call of `format`"),
        ("{{range(10)}}", "a call of ``"),
        ("{{q.__class__}}", "`__class__`"),
        ("{{q|attr('strip')}}", "the filter `attr`"),
        ("{{q|tojson}}", "the filter `tojson`"),
        ("{{q is callable}}", "the test `callable`"),
        ("{{" + "q+" * 4_000 + "q}}", "so much"),
    ],
)
def test_what_could_cost_or_reach_more_is_refused_by_name(template: str, said: str) -> None:
    with pytest.raises(UsageError, match="not read here") as refused:
        made(template)
    assert refused.value.what.endswith(said)


@pytest.mark.parametrize("template", ["{{", "{% if %}", "{{q|}}", "x" * 20_000, "{{" + "(" * 3_000])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="doc_to_text"):
        made(template)


@pytest.mark.parametrize(
    ("template", "more"),
    [
        ("{{gone}}", {}),
        ("{{q.gone}}", {}),
        ("{{n.strip()}}", {}),
        ("{{q['__class__']}}", {}),
        ("{{choices|string}}", {}),
        ("{{q.replace('a', q)}}", {"q": "a" * 10_000}),
        ("{{q.join(choices)}}", {"q": "a" * 1_000, "choices": ["x"] * 2_000}),
        ("{{q + q}}", {"q": "a" * LONGEST}),
        ("{{q}}{{q}}", {"q": "a" * (LONGEST - 9)}),
        ("{{[q, q, n]}}", {"q": "a" * (LONGEST // 2)}),
        ("{{ {'a': [(q, [q])]} }}", {"q": "a" * (LONGEST // 2)}),
        ("{{choices}}", {"choices": [[[]]] * LONGEST}),
        ("{{q.replace(q[:1], q)|length}}", {"q": b"a" * 2_000}),
        ("{{q.join(choices)|length}}", {"q": b"a" * 2_000, "choices": [b""] * 2_000}),
    ],
)
def test_a_row_that_a_template_does_not_fit_or_grows_with_is_refused(template: str, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="does not fit a row"):
        made(template, **more)


def test_patterns_of_a_template_have_half_a_second_together() -> None:
    template = "{{q|regex_replace('(a|aa)+$', '#')}}" * 100
    assert made(template, q="aa") == "#" * 100
    with pytest.raises(UsageError, match="does not fit a row"):
        made(template, q="a" * 5_000 + "b")


@pytest.mark.parametrize(
    "many",
    ["q[%d:]", "q.upper()", "q.split(' ')", "q + '%d'", "q|upper", "q.replace('a', 'b')", "''.join([q, '%d'])"],
)
def test_what_a_template_makes_on_its_way_is_bounded_for_a_row(many: str) -> None:
    parts = ",".join(many.replace("%d", str(n)) for n in range(250))
    render = compile_template("{{[" + parts + "]|length}}", "doc_to_text", "task.yaml")
    assert render({**ROW, "q": "a b"}) == "250"
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="32 MiB on the way"):
            render({**ROW, "q": "a" * (LONGEST - 9)})
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def many(name: re.Match[str]) -> str:
    return ",".join([name[0][0].lower()] * 1_900)


@pytest.mark.parametrize(
    "printed",
    [
        "[QS]",
        "[NS]",
        "[QS]|trim",
        "choices|join([QS])",
        "n[[QS]]",
        "choices.index([QS])",
        "answer|regex_replace([QS], '')",
    ],
)
def test_what_holds_a_row_many_times_is_no_text_before_it_is_measured(printed: str) -> None:
    render = compile_template("{{" + re.sub("[QN]S", many, printed) + "}}", "key", "task.yaml")
    row = {**ROW, "q": "a" * 50_000, "n": [10**4_000] * 20}
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=r"more than 1,048,576 characters|a list is no text"):
            render(row)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
