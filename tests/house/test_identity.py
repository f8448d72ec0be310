"""What an identity says and in which form: golden ids, fields that come later, and settings said in other words."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from stepdown.identity import FORMS, encoded, fingerprint, normal, ways
from stepdown.methods import METHODS
from stepdown.models.http.dialects import DIALECTS
from stepdown.models.http.endpoints import endpoint_at
from stepdown.problems import load_problems
from stepdown.prompts import DEFAULT, JUDGE, PROMPT_SETS, with_demonstrations
from stepdown.prompts.prompt_set import PromptWords
from stepdown.runner import run
from stepdown.store import Store, StoredCall, call_key, call_keys, problem_key
from stepdown.training import Training
from stepdown.types import GREEDY, AnswerForm, Chain, Grade, Message, Plan, Problem, Reply, Sampling, Settings
from stepdown.usercode import text_of
from worlds import student, sums

SAID = (Message("system", "Be brief."), Message("user", "Was ist 1 + 1? “é”\u2028"))
SETTINGS = Settings(dataset="gsm8k/test", problems="p", count=3, method="direct", student="openai/gpt-4o")
PROBLEM = Problem("a/1", "What?", "B", ("x", "y"), "choice")
# From a dataclass, argv or JSON: equal to the defaults and not the very objects.
IN_WORDS = Sampling(*json.loads("[0.0, 1.0, 1024]"))
_NAMES = ("name", "source", "direct", "chain_of_thought", "plan_and_solve", "delegate", "follow", "system")
WORDS = msgspec.convert({**dict.fromkeys(_NAMES, "x"), "teacher_system": "", "endings": {"number": "n"}}, PromptWords)
OPENAI = "https://api.openai.com/v1"
GOLDEN = {
    "sampling": (Sampling(), "{}"),
    "sampling in words": (IN_WORDS, '{"temperature":0.0,"top_p":1.0,"max_tokens":1024}'),
    "some sampling": (Sampling(0.7, seed=7, stop=("\n",)), '{"temperature":0.7,"seed":7,"stop":["\\n"]}'),
    "message": (SAID[1], '{"role":"user","content":"Was ist 1 + 1? “é”\u2028"}'),
    "plan": ({"b": Plan("x", "gold"), "a": Plan("y", "Ann", "x")},
             '{"a":{"text":"y","author":"Ann","edited_from":"x"},"b":{"text":"x","author":"gold"}}'),
}  # fmt: skip
FORM = AnswerForm(response_format='{"type":"json_object"}')
IDS = {
    "run": (SETTINGS.id, "f715352d3c9f"),
    "run in words": (msgspec.structs.replace(SETTINGS, sampling=IN_WORDS, samples=5).id, "e7eaa3ea68c0"),
    "call": (
        call_key("openai/gpt-4o", OPENAI, SAID, Sampling(), 0).hex(),
        "4e61baade4918fc39c25e118edda3f7d",
    ),
    "call in words": (call_key("m", "", SAID, IN_WORDS, 2).hex(), "b29173a68726174c7d7f02d49511f46b"),
    "call with a form": (
        call_key("m", "", SAID, Sampling(form=FORM), 2).hex(),
        "a99b599927caa1976f7f6430a5d341f5",
    ),
    "problem": (problem_key(PROBLEM).hex(), "cf8afe74c1cf04ac41457a6603759381"),
    "training": (fingerprint([Training(steps=5), "base", ["a"]]), "7041997c39299daa03cd2279d346ad4b"),
    "shots": (with_demonstrations(DEFAULT).fingerprint, "b5a14bcbcc38"),
    "default": (PROMPT_SETS["default"].fingerprint, "c845497f8c45"),
    "paper": (PROMPT_SETS["paper"].fingerprint, "33a3c7095dcd"),
    "code": (PROMPT_SETS["code"].fingerprint, "e33ad05aabac"),
    "traces": (PROMPT_SETS["traces"].fingerprint, "b8948b44ebb3"),
    "student": (PROMPT_SETS["student"].fingerprint, "a82a42401fec"),
    "scotd": (PROMPT_SETS["scotd"].fingerprint, "9b971306c721"),
    "word sums": (load_problems("wordsums", limit=20).check().fingerprint, "24d9ba28cca0ef6666c5503e5737ee25"),
    "judge": (fingerprint(JUDGE), "02d6110e4d7e2d140a7d0dda07733cc5"),
}


@pytest.mark.parametrize(("value", "said"), GOLDEN.values(), ids=GOLDEN)
def test_an_identity_says_the_bytes_that_0_1_0_said(value: object, said: str) -> None:
    assert encoded(value).decode() == said == msgspec.json.encode(value, order="deterministic").decode()


@pytest.mark.parametrize(("found", "golden"), IDS.values(), ids=IDS)
def test_an_id_of_0_1_0_is_the_id_of_this_version(found: str, golden: str) -> None:
    assert found == golden


AT_ONCE = (SAID, ("m", 0, 1.5, None, True, ["é", SAID]), WORDS, SETTINGS, (Sampling(), IN_WORDS), {"b": SAID, "a": 1})


@pytest.mark.parametrize("value", AT_ONCE, ids=lambda value: type(value).__name__)
def test_what_is_written_at_once_is_what_is_written_field_by_field(value: object) -> None:
    assert encoded(value) == ways(value)[0]


def test_calls_of_one_sampling_in_several_words_keep_their_own_keys() -> None:
    keys = [call_key("m", "s", SAID, one, 0) for one in (Sampling(), IN_WORDS, Sampling(), IN_WORDS)]
    assert keys[:2] == keys[2:] and keys[0] != keys[1]


def test_a_store_looks_for_other_words_once_others_may_have_written_them(store: Store) -> None:
    assert not store.has_other_words()
    run(sums(2), "direct", student=student(), store=store)
    assert not store.has_other_words()
    with Store(store.path) as other:
        assert other.has_other_words()
        run(sums(3), "direct", student=student(), store=other)
    assert store.has_other_words()


def test_a_run_that_several_processes_share_brings_no_other_words(store: Store) -> None:
    assert not store.has_other_words()
    run(sums(2), "direct", student=student(), store=store)
    [begun], [(row,)] = store.runs(), store.db.execute("select max(rowid) from calls").fetchall()
    with Store(store.path) as other:
        other.put_calls([StoredCall(b"k" * 16, "m", "", SAID, GREEDY, 0, Reply("4", "m"), begun.id)], paid=True)
        assert not store.has_other_words()
        with other.writing() as db:
            db.execute("update calls set created = 0, rowid = rowid + 9 where rowid > ?", (row,))
    assert store.has_other_words()


def grown(value: Any, default: object, **given: object) -> Any:
    """Return a struct as a later version may have it: with one more field that has a default."""
    kind = type(value)
    fields = [
        (one.name, Any, one.default) if one.default is not msgspec.NODEFAULT
        else (one.name, Any, msgspec.field(default_factory=one.default_factory))
        if one.default_factory is not msgspec.NODEFAULT
        else (one.name, Any)
        for one in msgspec.structs.fields(kind)
    ]  # fmt: skip
    config = {"frozen": True, "kw_only": True, "omit_defaults": kind.__struct_config__.omit_defaults}
    later: Any = msgspec.defstruct(kind.__name__, [*fields, ("later", Any, default)], **config)
    return later(**{name: getattr(value, name) for name in kind.__struct_fields__}, **given)


GROWING = (SAID[0], Sampling(), IN_WORDS, SETTINGS, WORDS, Training(), PROBLEM,
           Plan("x", "gold"), Chain(PROBLEM, "text", "teacher", grade=Grade("right")))  # fmt: skip


@pytest.mark.parametrize("default", ["", 0, 0.5, 4096, None, ("a",)], ids=repr)
@pytest.mark.parametrize("value", GROWING, ids=lambda value: type(value).__name__)
def test_a_field_that_comes_later_changes_no_identity_until_it_is_used(value: Any, default: object) -> None:
    assert fingerprint(grown(value, default)) == fingerprint(value)
    equal = json.loads(json.dumps(default)) if not isinstance(default, tuple) else tuple(["a"])
    assert fingerprint(grown(value, default, later=equal)) == fingerprint(value)
    assert fingerprint(grown(value, default, later="used")) != fingerprint(value)


@pytest.mark.parametrize("value", [PROBLEM, Plan("x", "gold")], ids=lambda value: type(value).__name__)
def test_what_the_store_writes_of_a_later_problem_or_plan_stays_too(value: Any) -> None:
    assert msgspec.json.encode(grown(value, None)) == msgspec.json.encode(value)


def test_every_field_there_is_has_its_form() -> None:
    kinds = {"Message": Message, "Settings": Settings, "PromptWords": PromptWords, "Training": Training}
    # What has been added since version 1, each with a default that is left out.
    later = {
        "Settings": ("code", "plan_samples"),
        "PromptWords": ("demonstrations", "words"),
        "Training": ("objective", "beta", "checkpointing", "teacher", "teacher_source", "teacher_share"),
    }
    for name, kind in kinds.items():
        assert kind.__struct_fields__ == (*FORMS[name], *later.get(name, ()))


def test_a_struct_without_a_form_is_part_of_no_identity() -> None:
    class Odd(msgspec.Struct):
        x: int = 0

    with pytest.raises(TypeError, match="say its form"):
        fingerprint([Odd()])


# -- said in other words


@pytest.mark.parametrize("same", [Sampling(), IN_WORDS, Sampling(max_tokens=1024), Sampling(temperature=0)])
def test_equal_sampling_is_found_in_whatever_words_it_was_said(same: Sampling) -> None:
    assert same == Sampling() and encoded(normal(same)) == b"{}"
    assert set(ways(same)) == set(ways(Sampling()))
    assert call_key("m", "s", SAID, IN_WORDS, 0) in call_keys("m", "s", SAID, same, 0)
    assert call_keys("m", "s", SAID, same, 0)[0] == call_key("m", "s", SAID, same, 0)


@pytest.mark.parametrize("other", [Sampling(temperature=0.5), Sampling(max_tokens=1), Sampling(stop=("x",))])
def test_other_sampling_is_no_way_to_say_it(other: Sampling) -> None:
    assert not set(ways(other)) & set(ways(Sampling()))


@pytest.mark.parametrize(("one", "other"), [(IN_WORDS, Sampling()), (Sampling(), IN_WORDS)])
def test_a_run_in_other_words_is_the_run_and_asks_nobody(store: Store, one: Sampling, other: Sampling) -> None:
    first = run(sums(3), "direct", student=student(), sampling=one, store=store)
    asked = student()
    assert run(sums(3), "direct", student=asked, sampling=other, store=store).id == first.id
    assert asked.calls == [] and len(store.runs()) == 1


def test_settings_that_differ_in_words_only_have_one_run(store: Store) -> None:
    words = msgspec.structs.replace(SETTINGS, sampling=IN_WORDS, teacher_sampling=Sampling(max_tokens=1024))
    assert words == SETTINGS and words.id != SETTINGS.id
    assert store.open_run(words).id == store.open_run(SETTINGS).id == store.id_of(SETTINGS) == words.id


# -- code of ours

# Methods that came after version 1, by what their code was when they came.
LATER = {
    "best-of-n": "0955b606c861",
    "one-step-at-a-time": "fd87d00b0375",
    "plan-and-budget": "0bfdcabea462",
    "speculative-thinking": "b52d5492d364",
    "step-reminders": "9e7e6756c343",
    "taking-turns": "d9f45a36ba41",
}


def test_our_methods_are_what_their_names_said() -> None:
    """Raise a method's `version` where its text changes what is asked: its runs are then other runs."""
    said = {name: [text_of(one) for one in (method.solve, method.plan) if one] for name, method in METHODS.items()}
    assert {name: fingerprint(said.pop(name))[:12] for name in LATER} == LATER
    assert fingerprint(said) == "c8da6cc89c6dfd4675220b9ca2182e1f"
    assert {method.version for method in METHODS.values()} == {""}


# -- models


def test_an_endpoint_says_what_its_name_does_not() -> None:
    address = "http://localhost:8000/v1"
    sources = [
        endpoint_at(address, "m", name="mine/m").source,
        endpoint_at(address, "other", name="mine/m").source,
        endpoint_at(address, "m", name="mine/m", dialect=DIALECTS["openai-completions"]).source,
    ]
    assert sources[0] == address and len(set(sources)) == 3


def test_a_mapping_of_words_is_said_in_one_order() -> None:
    one: Mapping[Any, str] = {"number": "n", "choice": "c"}
    other: Mapping[Any, str] = {"choice": "c", "number": "n"}
    sets = [msgspec.structs.replace(DEFAULT, endings=endings) for endings in (one, other)]
    assert sets[0].fingerprint == sets[1].fingerprint != DEFAULT.fingerprint
