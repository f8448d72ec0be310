"""Students that read as many tokens as one another: a place of longer chains takes fewer steps."""

from pathlib import Path
from statistics import fmean

import msgspec
import pytest

from corpora import write_corpus
from small_lessons import FAST, chain
from small_students import TRAINS, small_tokenizer
from stepdown.corpus import Card, target
from stepdown.models.local import find_base
from stepdown.training import at_equal_tokens
from stepdown.training.equal_tokens import tokens_per_visit
from stepdown.types import Chain

pytestmark = TRAINS
CARD = Card(dataset="sums/train")
SHORT = [chain(number) for number in range(6)]
LONG = [chain(number, 6) for number in range(6)]


def length_of(chain: Chain, kind: str = "chain") -> int:
    """The tokens of a question and what is to be written, with its end, by template and tokenizer alone."""
    tokenizer, made = small_tokenizer(), target(chain, kind)
    assert made is not None
    asked = [{"role": one.role, "content": one.content} for one in made.question]
    shown = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    return sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (shown, made.completion)) + 1


@pytest.mark.parametrize("visits", ["balanced", "concatenate"])
def test_a_problem_counts_as_often_as_it_is_visited(base: Path, tmp_path: Path, visits: str) -> None:
    some = [SHORT[0], chain(0, 6), chain(0, 7), SHORT[1]]
    lengths = list(map(length_of, some))
    by_problem = [fmean(lengths[:3]), float(lengths[3])]
    wanted = {"balanced": fmean(by_problem), "concatenate": fmean(lengths)}
    training = msgspec.structs.replace(FAST, visits=visits)
    found = tokens_per_visit(write_corpus(tmp_path / "c", some, card=CARD), training, find_base(base))
    assert found == pytest.approx(wanted[visits]) and len(set(wanted.values())) == 2


def test_longer_chains_get_fewer_steps_and_labels_more(base: Path, tmp_path: Path) -> None:
    short, long = (write_corpus(tmp_path / name, some, card=CARD) for name, some in (("s", SHORT), ("l", LONG)))
    usual, labels = (msgspec.structs.replace(FAST, steps=40, target=kind) for kind in ("chain", "label"))
    steps = [
        at_equal_tokens(training, own, short, usual_training=usual, base=str(base)).steps
        for training, own in ((usual, short), (usual, long), (labels, short))
    ]
    own = fmean(map(length_of, SHORT))
    others = [fmean(map(length_of, LONG)), fmean(length_of(one, "label") for one in SHORT)]
    assert steps == [40, *(round(40 * own / other) for other in others)] and steps[1] < 40 < steps[2]
