"""Chat templates are strangers' programs: rendered as others render them, in bounded time and memory, never here."""

import asyncio
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from small_students import TEMPLATE, small_model, small_tokenizer
from stepdown.errors import CallFailed
from stepdown.models.local.chat_templates import ChatTemplate
from stepdown.models.local.loading import load_student
from stepdown.models.weights.students import StudentCard
from stepdown.training.students.folder import write_student
from stepdown.types import Message, Messages, Reply, Sampling

pytestmark = [
    # Of transformers, in the engine's thread.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

ASK: Messages = (Message("system", "Be brief."), Message("user", "2 + 2?"))
TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
GEMMA = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TURNS
MISTRAL = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% endfor %}" + TURNS
)
DEAF = "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"
LOOPS = "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3
FOLDED = "<user>Be brief.\n\n2 + 2?"


@pytest.fixture
def rendering() -> Iterator[list[ChatTemplate]]:
    made: list[ChatTemplate] = []
    yield made
    for template in made:
        template.close()


def render(made: list[ChatTemplate], source: str, messages: Messages = ASK, **words: str) -> str:
    made.append(ChatTemplate(source, "m", words))
    return made[-1].render(messages)


@pytest.mark.parametrize("source", [GEMMA, MISTRAL, DEAF])
def test_a_system_line_that_a_template_refuses_or_leaves_out_is_said_by_the_user(
    rendering: list[ChatTemplate], source: str
) -> None:
    assert render(rendering, source) == FOLDED
    assert rendering[-1].render(ASK[1:]) == "<user>2 + 2?"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{% for", "unexpected 'end of template'"),
        ("{{ raise_exception('only \x1b[2J tools') }}", r"only  ?\[2J tools"),
        ("{{ nothing.at.all }}", "undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{{ 'a' * 10000000000 }}", "more memory"),
        ("{{ '%100000000000d' % 3 }}", "more memory"),
        ("{% for a in range(99999) %}{{ 'a' * 9999 }}{% endfor %}", "over 8,000,000 characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
    ],
)
def test_what_a_template_raises_is_a_failed_call_with_its_words(
    rendering: list[ChatTemplate], source: str, words: str
) -> None:
    with pytest.raises(CallFailed, match=words) as caught:
        render(rendering, source)
    assert caught.value.what.isprintable() and "the chat template of `m` refused" in caught.value.what


@pytest.mark.slow
def test_a_template_without_end_is_left_and_after_the_second_time_not_run_again(rendering: list[ChatTemplate]) -> None:
    rendering.append(ChatTemplate(LOOPS, "m"))
    for _ in range(2):
        with pytest.raises(CallFailed, match="does not end"):
            rendering[0].render(ASK)
    began = time.perf_counter()
    with pytest.raises(CallFailed, match="does not end"):
        rendering[0].render(ASK)
    assert time.perf_counter() - began < 0.1


def test_the_process_outlives_an_error_and_ends_with_its_template(rendering: list[ChatTemplate]) -> None:
    source = "{% if messages[0].content == 'no' %}{{ raise_exception('no') }}{% endif %}" + TURNS
    with pytest.raises(CallFailed):
        render(rendering, source, (Message("user", "no"),))
    process = rendering[0]._held[0]
    assert rendering[0].render((Message("user", "\ud83d é\n"),)).startswith("<user>")
    rendering[0].close()
    assert process.returncode is not None


def test_no_template_joins_the_texts() -> None:
    assert ChatTemplate("", "m").render(ASK) == "Be brief.\n\n2 + 2?"


ODD = (
    TEMPLATE,
    "{{ bos_token }}{% for m in messages %}\n  {%- if loop.first %} {{ m | tojson(indent=2) }}{% endif %}\n"
    "{% endfor %}{{ eos_token }}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if loop.last %}{% break %}"
    "{% endif %}{% endfor %}{{ ns.n }}{% generation %}é<&>{{ messages[0].content }}{% endgeneration %}{{ dict(a=1) }}",
    "  {% if add_generation_prompt %}\n    yes {{ messages[0].content }}\n  {% endif %}\n{# no #}  {{ tools is none }}",
)


@pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra `train`")
@pytest.mark.parametrize("source", ODD)
def test_templates_are_rendered_as_transformers_renders_them(rendering: list[ChatTemplate], source: str) -> None:
    tokenizer = small_tokenizer(template=source)
    turns = [{"role": message.role, "content": message.content} for message in ASK]
    theirs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert render(rendering, source, **tokenizer.special_tokens_map) == theirs


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student whose template takes no system line and runs for ever when it is asked to."""
    hostile = "{% if 'loop' in messages[0].content %}" + LOOPS + "{% endif %}"
    tokenizer = small_tokenizer(template=GEMMA + hostile)
    folder = tmp_path_factory.mktemp("strict") / "student"
    return write_student(folder, small_model(), tokenizer=tokenizer, card=StudentCard(base="small"))


engines = pytest.mark.parametrize(
    "engine",
    [
        pytest.param(name, marks=pytest.mark.skipif(not find_spec(package), reason=f"needs `{package}`"))
        for name, package in [("transformers", "torch"), ("openvino", "openvino_genai"), ("llamacpp", "xllamacpp")]
    ],
)


@pytest.mark.slow
@engines
def test_every_engine_says_the_same_and_outlives_a_template_that_does_not_end(strict: Path, engine: str) -> None:
    async def main() -> tuple[list[Reply], list[Reply], BaseException | object, Reply]:
        model, greedy = load_student(str(strict), engine=engine), Sampling(max_tokens=3)
        told, folded = await model.reply(ASK, greedy), await model.reply((Message("user", FOLDED[6:]),), greedy)
        hanging = asyncio.ensure_future(model.reply((Message("user", "loop"),), greedy))
        # Nothing here stands still meanwhile: a signal would be heard.
        for _ in range(5):
            await asyncio.sleep(0.01)
        [ended] = await asyncio.gather(hanging, return_exceptions=True)
        [last] = await model.reply(ASK, greedy)
        await model.close()
        return told, folded, ended, last

    told, folded, ended, last = asyncio.run(main())
    read = [reply.usage and reply.usage.input for reply in (*told, *folded, last)]
    assert len({*read}) == 1 and told[0].text == folded[0].text == last.text
    assert isinstance(ended, CallFailed) and "does not end" in ended.what
