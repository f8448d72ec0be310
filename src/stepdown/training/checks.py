"""What is checked before the first step, and what stops a training unless it is allowed."""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from stepdown.corpus.majority_labels import with_majority_labels
from stepdown.corpus.targets import label
from stepdown.errors import UsageError
from stepdown.training.examples import Survey
from stepdown.training.settings import Training
from stepdown.types import Chain

# Above this share a fault of the corpus is no accident (issue: refuse above 2 %).
LIMIT = 0.02


def check_labels(chains: Iterable[Chain], training: Training) -> str:
    """Read chains once, without a base, and return 32 hexadecimal digits that stand for them in their order.

    Refused is what no base could mend: broken rows, no answers, one label. Raises `BadRow` and `UsageError`; lengths
    and templates are for `check_corpus`, once there is a tokenizer.
    """
    survey, digest = Survey(), blake2b(digest_size=16)
    for chain in with_majority_labels(chains) if training.target == "label" else chains:
        survey.chains += 1
        digest.update(msgspec.json.encode(chain))
        if training.target != "plan":
            found = label(chain)
            survey.unparseable += found is None
            if chain.problem.kind == "choice":
                survey.labels[found or ""] += 1
    check_corpus(survey, 0, training)
    return digest.hexdigest()


def check_corpus(survey: Survey, problems: int, training: Training) -> str:
    """Return a line that says what was checked; `problems` is their number.

    Raises `UsageError` for a corpus without a chain to train on, and for each share above 2 % (or one label alone)
    that `training.allow` does not name.
    """
    if not survey.chains:
        raise UsageError("the corpus is empty", "look at what `keep` left over, or sample chains first")
    refuse = {
        "unparseable": _unparseable(survey),
        "cut": _cut(survey, training),
        "template": _template(survey, problems),
        "one-class": _one_class(survey),
    }
    for name, error in refuse.items():
        if error is not None and name not in training.allow:
            raise error
    if survey.unparseable + survey.cut == survey.chains:
        raise UsageError("no chain of the corpus can be trained on", "look at its labels and at `max_length`")
    return (
        f"checked {survey.chains:,} chains of {problems:,} problems: {survey.cut:,} longer than "
        f"{training.max_length:,} tokens (longest {survey.longest:,}), {survey.unparseable:,} without an answer, "
        f"{survey.template:,} questions asked in other words{_labels(survey)}"
    )


def _unparseable(survey: Survey) -> UsageError | None:
    share = survey.unparseable / survey.chains
    if share <= LIMIT:
        return None
    return UsageError(
        f"{_counted(survey.unparseable, survey.chains)} chains have no answer that can be read",
        "keep what has one with `keep CORPUS parses`, or train on the rest with `--allow unparseable`",
    )


def _cut(survey: Survey, training: Training) -> UsageError | None:
    read = survey.chains - survey.unparseable
    if not read or survey.cut / read <= LIMIT:
        return None
    return UsageError(
        f"{_counted(survey.cut, read)} chains are longer than {training.max_length:,} tokens with their question "
        f"(longest: {survey.longest:,})",
        f"raise `--max-length` to {survey.longest:,}, keep shorter chains with `keep CORPUS max-tokens=N`, "
        "or train on the rest with `--allow cut`",
    )


def _template(survey: Survey, problems: int) -> UsageError | None:
    if not problems or survey.template / problems <= LIMIT:
        return None
    return UsageError(
        f"{_counted(survey.template, problems)} questions are asked in other tokens in training than in evaluation",
        "use a base whose chat template keeps a question as it is and ends answers with the end token, "
        "or `--allow template`",
    )


def _one_class(survey: Survey) -> UsageError | None:
    known = {name: count for name, count in survey.labels.items() if name}
    if len(known) != 1 or sum(known.values()) < 2:
        return None
    [(name, count)] = known.items()
    return UsageError(
        f"all {count:,} chains of choice problems have the label `{name}`: a student would learn to say it always",
        "take chains of other labels too, or `--allow one-class`",
    )


def _counted(some: int, all_: int) -> str:
    return f"{some:,} of {all_:,} ({some / all_:.1%})"


def _labels(survey: Survey) -> str:
    known = {name: count for name, count in sorted(survey.labels.items()) if name}
    total = sum(known.values())
    return "".join(f"{', ' if place else '; labels '}{n} {c / total:.0%}" for place, (n, c) in enumerate(known.items()))
