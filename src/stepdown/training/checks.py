"""What is checked before the first step, and what stops a training unless it is allowed."""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from stepdown.corpus import Corpus, label
from stepdown.errors import UsageError
from stepdown.training.examples import Survey
from stepdown.training.objectives import load_objective
from stepdown.training.settings import Training
from stepdown.types import Chain

# Above this share a fault of the corpus is no accident (issue: refuse above 2 %).
LIMIT = 0.02


def check_chains(chains: Iterable[Chain], training: Training) -> str:
    """Read chains once, without a base, and return 32 hexadecimal digits that stand for them in their order.

    Refused is what no base could mend: broken rows, no answers, one label, halves of pairs. Raises `BadRow` and
    `UsageError`; lengths and templates are for `check_corpus`, once there is a tokenizer.
    """
    objective, survey, digest = load_objective(training), Survey(), blake2b(digest_size=16)
    for group in objective.groups(chains):
        survey.count(group, labels=objective.reads_labels)
        for chain in group:
            digest.update(msgspec.json.encode(chain))
            survey.unparseable += objective.reads_labels and label(chain) is None
    check_corpus(survey, 0, training)
    return digest.hexdigest()


def check_content(corpus: Corpus, training: Training) -> None:
    """Raise `UsageError` where a corpus does not hold what the objective learns from."""
    objective, content = load_objective(training), corpus.card.content
    if content == objective.content:
        if content == "preference" and (corpus.card.texts == "plan") != (training.target == "plan"):
            raise UsageError(
                f"`{corpus.path}` holds pairs of {corpus.card.texts}s, and the target is `{training.target}`",
                f"learn from it with the target `{corpus.card.texts}`",
            )
        return
    ways = {
        "preference": "learn from it with `--objective dpo`",
        "plan": "learn plans with `--objective sft` and the target `plan`",
        "chain": "learn chains with `--objective sft`; `stepdown prefer RUN RUN --judge MODEL --out CORPUS` writes "
        "pairs",
    }
    raise UsageError(
        f"`{corpus.path}` holds {content}s, and `{objective.name}` is to learn from {objective.content}s", ways[content]
    )


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
    return "".join(f"{', ' if index else '; labels '}{n} {c / total:.0%}" for index, (n, c) in enumerate(known.items()))
