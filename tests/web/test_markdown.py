"""Markdown of models is drawn as a few elements without attributes; nothing in it leads anywhere or is lost."""

import re
import time

import pytest

pytest.importorskip("starlette")

from hypothesis import given
from hypothesis import strategies as st

from stepdown.web.views.markdown import LONGEST, markdown, written

HOSTILE = (
    "**a** <script>alert(1)</script>",
    "**a** [press](javascript:alert(1)) <javascript:alert(1)> [x]: javascript:alert(1)",
    "**a** ![beacon](http://198.51.100.7/b.png) <http://198.51.100.7/> http://198.51.100.7/",
    "**a** <img src=x onerror=alert(1)> &#60;script&#62; &lt;b&gt;",
    '```" onload=alert(1) x="\n</code></pre><script>alert(1)</script>\n```',
    "| a | b |\n|:-:|--:|\n| <b>1</b> | \\| |",
    "\ue002**a**\ue003 \ue0007\ue001 \ue000",
)
ENDLESS = ("*a_", "> ", "[", "\\(", "\\[", "$$", "$a", "\\begin{a}", "- ", "1. ", "`", "~~a", "| a ", "&", "**a _b ")
MARKS = st.text(st.sampled_from("ab1 *_`~|-+>#$\\()[]{}<!&;\n\ue000\ue002"), max_size=60)


def drawn(text: str, mark: tuple[int, int] | None = None, *, single: bool = False) -> str:
    html = markdown(text, mark, single=single)
    assert html is not None
    return re.sub(r"\s*\n\s*", "", html)


@pytest.mark.parametrize(("text", "html"), [
    ("**Step 1**: add", "<p><strong>Step 1</strong>: add</p>"),
    ("# Plan\n\n- one\n- two", "<p><strong>Plan</strong></p><ul><li>one</li><li>two</li></ul>"),
    ("*so* 2*3*4 = 24", "<p><em>so</em> 2*3*4 = 24</p>"),
    ("`a*b*c`\n+ 5", "<p><code>a*b*c</code><br />+ 5</p>"),
    ("3. three", '<ol start="3"><li>three</li></ol>'),
    ("**a** \\(x_1*y_2*z\\) $5_a_$", "<p><strong>a</strong> \\(x_1*y_2*z\\) $5_a_$</p>"),
    ("**a**\n\\begin{align*}a&=b\\\\c&=*d*\\end{align*}",
     "<p><strong>a</strong><br />\\begin{align*}a&amp;=b\\\\c&amp;=*d*\\end{align*}</p>"),
])  # fmt: skip
def test_marks_are_drawn_and_formulas_are_left_alone(text: str, html: str) -> None:
    assert drawn(text) == html


@pytest.mark.parametrize("text", ["Answer: 7", "2*3*4 = 24\n+ 5 = 29", "<b>7</b> & more", "    4 and\n    5", ""])
def test_a_text_without_marks_is_shown_as_it_was_written(text: str) -> None:
    assert markdown(text) is None


def test_where_the_answer_was_found_stays_marked() -> None:
    assert "<strong>so <mark title" in drawn("**so 42**", (5, 7)) and ">42</mark>" in drawn("**so 42**", (5, 7))
    inside = drawn("**so** \\(x = 42\\)", (13, 15))
    assert inside.endswith('<mark title="the answer was found here">\\(x = 42\\)</mark></p>')
    assert markdown("**so 42**, yes", (5, 12)) is None, "a mark across the end of another is not drawn"
    assert written("a <7", (2, 4)).endswith(">&lt;7</mark>")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_leads_nowhere(text: str) -> None:
    html = str(markdown(text) or written(text))
    assert not re.search(r"<(?!/?(p|strong|pre|code|table|thead|tbody|tr|t[hd]|mark|br|em)\b[^=]*>)", html)
    assert "<script" not in html and "href" not in html and "src=x" not in html.replace("&lt;img src=x", "")


@pytest.mark.parametrize("text", ENDLESS)
def test_what_never_ends_costs_little(text: str) -> None:
    began = time.process_time()
    for single in (False, True):
        markdown((text * LONGEST)[:LONGEST], single=single)
    assert time.process_time() - began < 2 and markdown("**a** " * LONGEST) is None


@given(MARKS)
def test_no_letter_of_a_text_is_lost(text: str) -> None:
    html = markdown(text, single=True)
    said = re.sub(r"<[^>]*>", "", html or written(text))
    assert len(re.findall("[ab]", said.replace("&amp;", "&"))) >= len(re.findall("[ab]", text)) - text.count("```")
