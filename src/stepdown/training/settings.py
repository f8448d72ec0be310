"""The settings of a training, with the paper's values where this scale allows them."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from stepdown.corpus import TARGETS
from stepdown.errors import UnknownName, UsageError
from stepdown.methods import CHAIN_OF_THOUGHT, DIRECT, TRACE_OF_THOUGHT, load_method
from stepdown.prompts import load_prompts
from stepdown.types import Method

REFUSALS = {
    "cut": "chains longer than max_length",
    "unparseable": "chains without an answer that can be read",
    "template": "questions that are asked in other words in training than in evaluation",
    "one-class": "one label for all choice problems",
    "test": "questions that are there to test on",
    "weak-teacher": "a teacher that solves no more dev problems than the student does",
}


# On a CPU a longer pass is no faster, and needs more memory.
USUAL_TOKENS = 1024
# How strongly a student is held to its base where nobody says: Rafailov et al. 2023; per token, Lambert et al. 2024.
USUAL_BETAS = {"dpo": 0.1, "dpo-norm": 5.0}


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """How a student is trained.

    `objective` is `sft` (write what the corpus holds), `dpo` (prefer one text of a pair to the other; `beta`, 0.1 if
    None, is the weight of its implicit reward), `dpo-norm` (the same per token of each text; 5 if None) or `on-policy`
    (write what `teacher` finds likely, on texts of the student's own; `teacher_share` is the teacher's part in what is
    learned from, `teacher_source` stands for its weights and is filled in by `train`). `target` is what SFT learns to
    write (`corpus.TARGETS`), `prompts` the prompt set of the question. `visits` is the sampling order: `balanced` (one
    random example of a problem per visit, all problems before any comes again: Li et al. 2023's released code) or
    `concatenate` (every example once before any comes again). `steps` steps of `batch` examples each, at
    `learning_rate` (None: 5e-4 for LoRA and 2e-5 for all weights with SFT, 5e-5 and 1e-6 with DPO, 1e-4 and 2e-6
    on-policy), reached over `warmup` (a share of the steps, or their number from 1 on) and falling linearly to 0;
    gradients are clipped at the norm `clip`, `epsilon` is Adam's.
    `rank` and `alpha` are LoRA's, on all linear layers but the head; `full` trains all weights instead. A row holds
    `max_length` tokens at most, a micro-batch about `tokens_per_pass` (1,024, the usual, stands on a GPU for as many
    as fit its free memory; 0: each example is one of its own), and with `checkpointing` it is computed twice and keeps
    little memory: neither changes what is learned. `precision` is `fp32`, `bf16` (autocast; LoRA's frozen base in bf16
    too) or `auto`: bf16 where the device has instructions for it. `evaluations` of `dev` problems choose the checkpoint
    and the state is saved `checkpoints` times. `allow` names refusals that shall not stop the training (`REFUSALS`).
    `compile` compiles the model's blocks.
    """

    target: str = "chain"
    prompts: str = "student"
    visits: Literal["balanced", "concatenate"] = "balanced"
    steps: int = 300
    batch: int = 32
    learning_rate: float | None = None
    warmup: float = 0.05
    clip: float = 0.5
    epsilon: float = 1e-5
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    full: bool = False
    max_length: int = 1024
    tokens_per_pass: int = USUAL_TOKENS
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    evaluations: int = 4
    dev: int = 50
    checkpoints: int = 10
    allow: tuple[str, ...] = ()
    compile: bool = False
    objective: str = "sft"
    beta: float | None = None
    checkpointing: bool = False
    teacher: str = ""
    teacher_source: str = ""
    teacher_share: float = 0.9

    @property
    def warmup_steps(self) -> int:
        """The number of steps until the learning rate is at its peak."""
        return int(self.warmup) if self.warmup >= 1 else round(self.warmup * self.steps)

    @property
    def method(self) -> Literal["direct", "chain-of-thought", "delegate"]:
        """The method by which a student of this target is asked."""
        if self.target == "plan":
            return "delegate"
        words, labels = load_prompts(self.prompts), self.target == "label"
        alike = words.template(DIRECT, "solve") == words.template(CHAIN_OF_THOUGHT, "solve")
        return "direct" if labels and alike else "chain-of-thought"

    @property
    def asks(self) -> tuple[Method, str]:
        """The method and its prompt in which a student of this target is asked."""
        return (TRACE_OF_THOUGHT, "plan") if self.target == "plan" else (load_method(self.method), "solve")

    def check(self) -> None:
        """Raise `UsageError` or `UnknownName` for settings that cannot be trained by."""
        self._check_names()
        load_prompts(self.prompts)
        for name in ("steps", "batch", "rank", "alpha", "checkpoints", "clip", "epsilon"):
            if not getattr(self, name) > 0:
                raise UsageError(f"`{name}` must be above 0, not `{getattr(self, name)}`", "give more than 0")
        for name in ("warmup", "evaluations", "dev", "dropout", "seed", "tokens_per_pass"):
            if getattr(self, name) < 0:
                raise UsageError(f"`{name}` must not be negative, as `{getattr(self, name)}` is", "give 0 or more")
        if self.warmup_steps > self.steps:
            raise UsageError(
                f"`warmup` of `{self.warmup:g}` steps is longer than the training of `{self.steps}`",
                "the learning rate would never be reached: give fewer, or a share such as 0.05",
            )
        if self.seed >= 2**31:
            raise UsageError(f"`seed` of `{self.seed}` is more than PyTorch's seeds hold", "give a number below 2**31")
        if not 0 < self.teacher_share <= 1:
            raise UsageError(f"`teacher_share` must be above 0 and at most 1, not `{self.teacher_share}`", "0.9, say")
        if self.max_length < 8:
            raise UsageError(f"`max_length` must be at least 8, not `{self.max_length}`", "give 8 or more")
        for name in ("learning_rate", "beta"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise UsageError(f"`{name}` must be above 0, not `{getattr(self, name)}`", "give more than 0")

    def _check_names(self) -> None:
        choices: dict[str, Iterable[str]] = {
            "target": TARGETS,
            "visits": ("balanced", "concatenate"),
            "precision": ("auto", "fp32", "bf16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UnknownName(name, getattr(self, name), known)
        for name in self.allow:
            if name not in REFUSALS:
                raise UnknownName("refusal to allow", name, REFUSALS)


def evenly_spread(count: int, steps: int) -> tuple[int, ...]:
    """Return `count` steps evenly spread over a training, the last step among them; none for a count of 0."""
    return tuple(sorted({round(steps * part / count) for part in range(1, count + 1)} - {0})) if count else ()
