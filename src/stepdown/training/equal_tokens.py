"""Students that read as many tokens as one another, where their chains differ in length."""

from collections import defaultdict
from functools import cache
from statistics import fmean
from typing import Any

import msgspec

from stepdown.corpus import Corpus
from stepdown.models.local import BaseLocation, find_base, load_tokenizer
from stepdown.models.weights import PLAIN_TEMPLATE
from stepdown.training.examples import Examples
from stepdown.training.settings import Training


def at_equal_tokens(training: Training, own: Corpus, usual: Corpus, *, usual_training: Training, base: str) -> Training:
    """Return the settings with as many steps as read the tokens that the usual training reads in its own corpus.

    Question and completion count, as the base's tokenizer cuts them; at least one step.
    """
    location = find_base(base)
    mean, wanted = (tokens_per_visit(*one, location) for one in ((own, training), (usual, usual_training)))
    steps = max(1, round(usual_training.steps * wanted / mean)) if mean else usual_training.steps
    return msgspec.structs.replace(training, steps=steps)


def tokens_per_visit(corpus: Corpus, training: Training, base: BaseLocation) -> float:
    """Return the mean tokens of an example as the sampling order meets it: of each problem alike, or of each example.

    An example is a question with its completion, or two of them with `dpo`; 0 where no example can be learned.
    """
    examples = Examples(_tokenizer(base), training).read(corpus)
    lengths: dict[int, list[int]] = defaultdict(list)
    for example, problem in enumerate(examples.owners.tolist()):
        lengths[problem].append(examples.tokens(example))
    if not lengths:
        return 0.0
    if training.visits == "balanced":
        return fmean(map(fmean, lengths.values()))
    return fmean(length for own in lengths.values() for length in own)


@cache
def _tokenizer(base: BaseLocation) -> Any:
    tokenizer = load_tokenizer(base)
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer
