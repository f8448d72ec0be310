"""Direct preference optimisation: the preferred text gains on the other, relative to the base."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stepdown.corpus import CHOSEN, REJECTED
from stepdown.errors import UsageError
from stepdown.prompts import load_prompts
from stepdown.training.logits import completion_logprobs, on_device
from stepdown.training.objective import Batch, Loss, Rates, TrainingExample
from stepdown.training.settings import USUAL_BETAS, Training
from stepdown.types import Chain, Prompt

_HINT = "`stepdown prefer` and `stepdown plan-values` write pairs"


class DirectPreferenceOptimization:
    """A pair of texts on one problem is an example, (chosen, rejected), as they were written.

    With m = beta * [log p(chosen)/p_base(chosen) - log p(rejected)/p_base(rejected)], the margin of the implicit
    rewards (nats), the loss of a step is the mean of -log sigmoid(m) over its pairs: equation 7 of Rafailov et al.
    (NeurIPS 2023, arXiv 2305.18290). The base's log-probabilities are computed once, before the first step, which
    costs one pass over the pairs and needs no second model, with LoRA or without.
    """

    name = "dpo"
    content = target = "preference"
    width = 2
    # TRL's default is 1e-6 for all weights; an adapter learns at ten times the rate and more (Schulman et al. 2025).
    rates: Rates = (5e-5, 1e-6)
    reads_labels = False
    write = None

    def __init__(self, training: Training) -> None:
        if training.target not in ("chain", "plan"):
            raise UsageError(
                f"the target `{training.target}` cannot be learned from preferences",
                "leave the target at `chain`, of preferences among plans at `plan`: texts are learned from as they are",
            )
        self.beta = USUAL_BETAS[training.objective] if training.beta is None else training.beta
        self._asks = training.asks
        self._prompts = load_prompts(training.prompts)
        self._base: dict[int, float] = {}

    def groups(self, chains: Iterable[Chain]) -> Iterator[tuple[Chain, ...]]:
        """Stream pairs; raise `UsageError` for chains that are none, and for a pair of the same text."""
        stream = iter(chains)
        for chosen in stream:
            rejected = next(stream, None)
            if chosen.variant != CHOSEN or rejected is None or rejected.variant != REJECTED:
                raise UsageError(f"a chain for `{chosen.problem.id}` is half of no pair", _HINT)
            if rejected.problem.id != chosen.problem.id:
                raise UsageError(
                    f"a text on `{chosen.problem.id}` is paired with one on `{rejected.problem.id}`", _HINT
                )
            if chosen.text.strip() == rejected.text.strip():
                what = f"the two texts of a pair on `{chosen.problem.id}` are the same"
                raise UsageError(what, "leave the pair out: it teaches nothing")
            yield chosen, rejected

    def example(self, chains: tuple[Chain, ...]) -> TrainingExample:
        """Return both texts, with the question that the student will be asked."""
        problem = chains[0].problem
        method, prompt = self._asks
        question = self._prompts.render(method, Prompt(prompt, problem))
        return TrainingExample(problem, question, tuple(chain.text.strip() for chain in chains))

    def begin(self, model: Any, batches: Iterable[Batch]) -> None:
        """Keep the base's log-probability of every completion, by its number."""
        import torch

        with torch.no_grad():
            for batch in batches:
                logprobs = completion_logprobs(model, on_device(batch, model.device))
                self._base.update(zip(batch["rows"], logprobs.tolist(), strict=True))

    def end(self) -> None:
        """Forget how likely the base found the texts."""
        self._base.clear()

    def weight(self, lengths: Sequence[int]) -> int:
        """Return 1: the loss of a step is a mean over pairs."""
        return 1

    def collate(self, batch: Batch) -> Batch:
        """Add the base's log-probabilities, a tensor (rows,)."""
        import torch

        return batch | {"base_logprobs": torch.tensor([self._base[row] for row in batch["rows"]])}

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the loss of a batch of pairs, with their `margin` and how many have one above 0 (`preferred`)."""
        import torch

        margins = self.margins(model, batch)
        figures = {"margin": margins.detach().sum(), "preferred": (margins.detach() > 0).float().sum()}
        return Loss(-torch.nn.functional.logsigmoid(margins).sum(), figures)

    def gains(self, model: Any, batch: Batch) -> Any:
        """Return what each text has gained on the base in nats: a tensor (rows,)."""
        return completion_logprobs(model, batch) - batch["base_logprobs"]

    def margins(self, model: Any, batch: Batch) -> Any:
        """Return the margin of each pair, in nats times beta: a tensor (pairs,)."""
        chosen, rejected = self.gains(model, batch).view(-1, 2).unbind(1)
        return self.beta * (chosen - rejected)

    def evaluate(self, model: Any, batches: Iterable[Batch]) -> dict[str, Any]:
        """Return how many held-out pairs have a margin above 0 (`right`), and their mean margin and loss."""
        import torch

        was_training = model.training
        model.eval()
        with torch.no_grad():
            scores = [self.margins(model, on_device(batch, model.device)) for batch in batches]
        model.train(was_training)
        margins = torch.cat(scores)
        total = len(margins)
        return {
            "right": int((margins > 0).sum()),
            "graded": total,
            "total": total,
            "dev_margin": round(float(margins.mean()), 6),
            "dev_loss": round(float(-torch.nn.functional.logsigmoid(margins).mean()), 6),
        }


class LengthNormalizedDPO(DirectPreferenceOptimization):
    """As `dpo`, with each text's gain on the base divided by its tokens: length alone makes no margin.

    m = beta * [log p(chosen)/p_base(chosen) / |chosen| - log p(rejected)/p_base(rejected) / |rejected|], the
    length-normalized DPO of Tülu 3 (Lambert et al. 2024, arXiv 2411.15124, section 5), `dpo_norm` in their code. A
    text's end counts as one of its tokens. `beta` is per token here, and so larger: they train with 5.
    """

    name = "dpo-norm"

    def gains(self, model: Any, batch: Batch) -> Any:
        """Return what each text has gained on the base in nats per token: a tensor (rows,)."""
        gained = super().gains(model, batch)
        return gained / gained.new_tensor(batch["target_lengths"])
