"""A real base of 135 million weights: served fast as it is served slowly, and its packed rows are kept apart."""

from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import pytest

from small_lessons import FAST, chains, losses
from small_students import texts
from stepdown.models.local import Base, find_base, load_base
from stepdown.models.weights.students import StudentCard
from stepdown.problems import load_problems
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.examples import Examples
from stepdown.training.packing import PackedDataset, shared_start
from stepdown.training.students.folder import write_student
from stepdown.types import Message, Sampling

packages = ("torch", "transformers", "peft", "gguf", "openvino_genai")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(find_spec, packages)), reason="needs the extras `train` and `embedded`"),
    # peft and transformers still call names that torch has deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def real_base(weights: Path) -> Base:
    return load_base(find_base("smollm2-135m"))


def test_a_real_student_is_served_fast_as_it_is_served_slowly(real_base: Base, weights: Path, tmp_path: Path) -> None:
    card = StudentCard(base="smollm2-135m")
    # Of a copy, as what is written is spent: its weights are float16 from then on.
    model = deepcopy(real_base.model)
    written = write_student(tmp_path / "x", model, tokenizer=real_base.tokenizer, card=card, base=weights)
    asked = [(Message("user", problem.question),) for problem in load_problems("wordsums", split="dev", limit=6)]
    slow, fast = (texts(written, engine, asked, Sampling(max_tokens=24)) for engine in ("transformers", "openvino"))
    assert sum(one == other for one, other in zip(slow, fast, strict=True)) >= 5


def test_a_real_base_keeps_packed_rows_apart(real_base: Base) -> None:
    use_block_diagonal_attention(real_base.model)
    found = Examples(real_base.tokenizer, FAST).read(chains(6, 1))
    assert found.survey.template == 0
    packed, _ = losses(real_base.model, PackedDataset(found, None, 1, shared=shared_start(found)), [[0, 1, 2, 3]])
    alone, _ = losses(real_base.model, PackedDataset(found, None, 1), [[0], [1], [2], [3]])
    assert packed == pytest.approx(alone, rel=1e-4)
