"""On-policy distillation: the student writes, and learns how likely a teacher finds each of its tokens."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stepdown.training.laid_rows import lay_rows, prompts_of
from stepdown.training.logits import on_device, target_losses
from stepdown.training.objective import Batch, Loss, Rates, TrainingExample
from stepdown.training.objectives.sft import SupervisedFineTuning
from stepdown.training.precision import runs_in_bf16
from stepdown.training.scoring_teachers import ScoringTeacher, load_teacher
from stepdown.training.settings import Training
from stepdown.training.writing import answering, write_draws
from stepdown.types import Chain


class OnPolicyDistillation:
    """A problem's chain is its place in the order of visits; what is learned from is the student's own draw.

    Of a draw y at temperature 1, with ratio r = p_teacher(y_t) / p_student(y_t), each token has the reward
    log(a * r + 1 - a), where a is `teacher_share`: the log-ratio to a teacher mixed with the student, floored at
    log(1 - a) (Trust Region Policy Distillation, arXiv 2607.04751); a = 1 is the plain sampled reverse KL of Agarwal
    et al. (ICLR 2024), unbounded below. The loss of a step is the mean over its draws of -mean_t A_t * log
    p_student(y_t), where A_t, held fixed, is the reward less the mean reward of the tokens of its pass: a baseline,
    which changes no expected gradient and much of its noise. Unlike the paper, a token is rewarded for itself alone
    (a discount of 0), rewards are not divided by their spread, and each draw is learned from once, so that there is no
    ratio to an older student. A step draws one text for each of its problems, all in one batch and by the step's seed:
    how it is split into passes changes no draw.
    """

    name = "on-policy"
    width = 1
    # A fifth of SFT's and less: the student is to stay near what it writes. Nothing was tuned.
    rates: Rates = (1e-4, 2e-6)
    evaluate = None
    teacher: ScoringTeacher

    def __init__(self, training: Training) -> None:
        self._texts = SupervisedFineTuning(training)
        self.target, self.content = self._texts.target, self._texts.content
        self.reads_labels = self._texts.reads_labels
        self._share, self._name = training.teacher_share, training.teacher
        self._precision = training.precision
        self._longest, self._end = 0, 0
        self._draws: dict[int, list[int]] = {}

    def groups(self, chains: Iterable[Chain]) -> Iterator[tuple[Chain, ...]]:
        """Stream the chains, as SFT does."""
        return self._texts.groups(chains)

    def example(self, chains: tuple[Chain, ...]) -> TrainingExample | None:
        """Return the question, with a chain that says how long a text may be."""
        return self._texts.example(chains)

    def begin(self, model: Any, batches: Iterable[Batch]) -> None:
        """Load the teacher; see how long the longest chain is, and with which token texts end."""
        for batch in batches:
            self._longest = max(self._longest, *batch["target_lengths"])
            self._end = int(batch["targets"][-1])
        self.teacher = load_teacher(self._name, model.device, bf16=runs_in_bf16(self._precision))

    def end(self) -> None:
        """Let go of the teacher, before what it took is given back to the system."""
        del self.teacher

    def weight(self, lengths: Sequence[int]) -> int:
        """Return 1: the loss of a step is a mean over draws."""
        return 1

    def collate(self, batch: Batch) -> Batch:
        """Add nothing: the prompts are all that is needed."""
        return batch

    def write(self, model: Any, batches: Iterable[Batch]) -> None:
        """Draw a text after each prompt of a step."""
        prompts = {
            row: prompt for batch in batches for row, prompt in zip(batch["rows"], prompts_of(batch), strict=True)
        }
        rows = sorted(prompts)
        with answering(model):
            draws = write_draws(model, [prompts[row] for row in rows], longest=self._longest, end=self._end)
        self._draws = dict(zip(rows, draws, strict=True))

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the loss of what was drawn for each prompt of a batch.

        Figures, each a mean over draws: `reverse_kl` (nats per token, an estimate), `draw_tokens` and `cut` (the share
        that had not ended). The teacher reads as many tokens as the log counts.
        """
        import torch

        prompts, draws = prompts_of(batch), [self._draws[row] for row in batch["rows"]]
        laid = on_device(lay_rows(prompts, draws), model.device)
        own = -target_losses(model, laid)
        gained = self.teacher.logprobs(laid) - own.detach()
        rewards = floored(gained, self._share)
        rewards = rewards - rewards.mean()
        weights = torch.cat([gained.new_full((len(draw),), 1 / len(draw)) for draw in draws])
        figures = {
            "reverse_kl": -(gained * weights).sum(),
            "draw_tokens": gained.new_tensor(sum(map(len, draws))),
            "cut": gained.new_tensor(sum(draw[-1] != self._end for draw in draws)),
        }
        return Loss(-(rewards * weights * own).sum(), figures, tokens=sum(map(len, (*prompts, *draws))))


def floored(gained: Any, share: float) -> Any:
    """Return log(share * exp(gained) + 1 - share): the log-ratio of a teacher that is mixed with its student.

    `gained` is log p_teacher - log p_student, in nats; the result is at least log(1 - share), and `gained` itself for
    a share of 1.
    """
    import math

    import torch

    if share == 1:
        return gained
    return torch.logaddexp(gained + math.log(share), gained.new_tensor(math.log1p(-share)))
