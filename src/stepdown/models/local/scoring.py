"""What a model on this machine thinks of texts that others wrote: the rank and the surprisal of their tokens."""

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.models.local.bases import Base

# Ranks above this count as this, as in the code of Yang et al. 2026: one odd token would outweigh all others.
CLIP = 100
# Of a text longer than this, with its prompt, the first tokens count: logits take memory for each.
LONGEST = 2048
# Logits of a pass, in bytes: a pass holds as many tokens as this allows, and `MOST_TOKENS` at most.
LOGITS = 256 << 20
MOST_TOKENS = 1024
# Rows of logits that are looked at together, so that what is computed of them stays small.
_ROWS = 128


class TokenScore(msgspec.Struct, frozen=True, gc=False):
    """What a model thinks of a text after its prompt, over its `tokens`.

    `rank` is their mean rank among all words of the vocabulary (1: the likeliest; at most `CLIP` each), `surprisal`
    the mean of -log p in nats.
    """

    tokens: int
    rank: float
    surprisal: float

    @property
    def ratio(self) -> float:
        """The rank-surprisal ratio (Yang et al. 2026, arXiv 2601.14249): low where a text is news within reach."""
        return self.rank / max(self.surprisal, 1e-12)


class Asked(msgspec.Struct, frozen=True):
    """A prompt and the texts that were written after it, as tokens."""

    prompt: Sequence[int]
    texts: Sequence[Sequence[int]]

    @property
    def tokens(self) -> int:
        """The tokens of a pass over this: the prompt counts once."""
        return len(self.prompt) + sum(map(len, self.texts))


class TextScorer:
    """A loaded base that reads texts, many in one pass: the texts of a prompt stand after it once, and do not see
    one another.

    A model that cannot keep texts apart, which is tried first, reads them one by one. Scores depend on what stands in
    the same pass by roundings only (1e-4 nats).
    """

    def __init__(self, base: Base) -> None:
        import torch

        self._torch = torch
        self._model = base.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self._name = base.location.name
        self._selects = "logits_to_keep" in signature(type(self._model).forward).parameters
        config = self._model.config.get_text_config()
        self._longest = min(int(getattr(config, "max_position_embeddings", 0) or LONGEST), LONGEST)
        self.tokens_per_pass = max(min(LOGITS // (4 * config.vocab_size), MOST_TOKENS), 64)
        self._apart: bool | None = None

    def score(self, asked: Sequence[Asked]) -> list[list[TokenScore]]:
        """Return the scores of each prompt's texts, in order. Raises `UsageError` where they are no numbers."""
        cut = [self._cut(one) for one in asked]
        if self._apart is None:
            self._apart = self._keeps_apart(cut)
        parts = list(self._parts(cut))
        found: list[list[TokenScore]] = [[] for _ in asked]
        for group in self._passes(parts):
            scores = iter(self._pass([part for _, part in group]))
            for at, part in group:
                found[at].extend(next(scores) for _ in part.texts)
        return found

    def _cut(self, one: Asked) -> Asked:
        prompt = one.prompt[-(self._longest - 1) :]
        return Asked(prompt, [text[: self._longest - len(prompt)] for text in one.texts])

    def _parts(self, asked: Sequence[Asked]) -> Iterator[tuple[int, Asked]]:
        """Stream prompts with as many of their texts as fit a pass."""
        for at, one in enumerate(asked):
            texts = list[Sequence[int]]()
            for text in one.texts:
                if texts and (not self._apart or Asked(one.prompt, [*texts, text]).tokens > self.tokens_per_pass):
                    yield at, Asked(one.prompt, texts)
                    texts = []
                texts.append(text)
            if texts:
                yield at, Asked(one.prompt, texts)

    def _passes(self, parts: Sequence[tuple[int, Asked]]) -> Iterator[list[tuple[int, Asked]]]:
        group, tokens = list[tuple[int, Asked]](), 0
        for part in parts:
            if group and (not self._apart or tokens + part[1].tokens > self.tokens_per_pass):
                yield group
                group, tokens = [], 0
            group.append(part)
            tokens += part[1].tokens
        if group:
            yield group

    def _keeps_apart(self, asked: Sequence[Asked]) -> bool | None:
        """Tell whether a text gets beside others the score it has alone, by the first one's start; None without any.

        It stands there thrice: twice after one prompt, and after a prompt of its own.
        """
        size = self.tokens_per_pass // 5
        first = next((Asked(one.prompt[-size:], [text[:size]]) for one in asked for text in one.texts if text), None)
        if first is None:
            return None
        [alone], together = self._pass([first]), self._pass([Asked(first.prompt, [*first.texts, *first.texts]), first])
        # Texts that see one another differ by whole nats; sums in 16 bits by some hundredths.
        return all(abs(one.surprisal - alone.surprisal) < 0.05 for one in together)

    def _pass(self, asked: Sequence[Asked]) -> list[TokenScore]:
        """Return the scores of all texts of some prompts, which are laid end to end."""
        torch, device = self._torch, self._model.device
        laid = _laid(asked)
        alone = len(laid.lengths) == 1
        mask = None if alone else _mask(torch, laid, self._model.dtype, device)
        kept = torch.tensor(laid.kept, device=device)
        options = {"logits_to_keep": kept} if self._selects else {}
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.tensor([laid.tokens], device=device),
                position_ids=torch.tensor([laid.positions], device=device),
                attention_mask=mask,
                use_cache=False,
                **options,
            ).logits[0]
            logits = logits if self._selects else logits[kept]
            ranks, surprisals = self._read(logits, torch.tensor(laid.targets, device=device))
        if not bool(torch.isfinite(surprisals).all()):
            raise UsageError(f"`{self._name}` gives log-probabilities that are no numbers", "name another student")
        return [
            TokenScore(len(some), float(some.mean()), float(lost.mean())) if len(some) else TokenScore(0, 0.0, 0.0)
            for some, lost in zip(ranks.split(laid.lengths), surprisals.split(laid.lengths), strict=True)
        ]

    def _read(self, logits: Any, targets: Any) -> tuple[Any, Any]:
        """Return the clipped rank and the surprisal of each target."""
        torch = self._torch
        ranks, surprisals = [], []
        for some, wanted in zip(logits.split(_ROWS), targets.split(_ROWS), strict=True):
            rows = some.float()
            own = rows.gather(1, wanted[:, None])
            ranks.append((1 + (rows > own).sum(-1)).clamp(max=CLIP).float())
            surprisals.append(rows.logsumexp(-1) - own[:, 0])
        return torch.cat(ranks), torch.cat(surprisals)


class _Laid(msgspec.Struct):
    """Prompts and texts end to end: of each token its position, prompt and text (0: the prompt itself).

    `kept` are the places that predict `targets`, `lengths` how many of these each text has.
    """

    tokens: list[int] = []
    positions: list[int] = []
    prompts: list[int] = []
    texts: list[int] = []
    kept: list[int] = []
    targets: list[int] = []
    lengths: list[int] = []


def _laid(asked: Sequence[Asked]) -> _Laid:
    laid = _Laid()
    for at, one in enumerate(asked):
        size = len(one.prompt)
        end = len(laid.tokens) + size - 1
        _add(laid, one.prompt, 0, at, 0)
        for number, text in enumerate(one.texts, 1):
            begin = len(laid.tokens)
            _add(laid, text, size, at, number)
            laid.kept += [end, *range(begin, begin + len(text) - 1)][: len(text)]
            laid.targets += text
            laid.lengths.append(len(text))
    return laid


def _add(laid: _Laid, tokens: Sequence[int], first: int, prompt: int, text: int) -> None:
    laid.tokens += tokens
    laid.positions += range(first, first + len(tokens))
    laid.prompts += [prompt] * len(tokens)
    laid.texts += [text] * len(tokens)


def _mask(torch: Any, laid: _Laid, dtype: Any, device: Any) -> Any:
    """Return the mask (1, 1, tokens, tokens), added to the attention, by which a text sees its prompt and itself."""
    prompts, texts = torch.tensor(laid.prompts, device=device), torch.tensor(laid.texts, device=device)
    order = torch.arange(len(laid.tokens), device=device)
    sees = (prompts[:, None] == prompts) & ((texts == 0) | (texts[:, None] == texts)) & (order[:, None] >= order)
    return torch.zeros(sees.shape, dtype=dtype, device=device).masked_fill(~sees, torch.finfo(dtype).min)[None, None]
