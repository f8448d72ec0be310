"""Which prompt set a task is asked in, where nobody names one: the words its models were trained on."""

import msgspec

from stepdown.prompts import PromptSet, load_prompts
from stepdown.types import Method, Model


def words_for(method: Method, named: str, student: Model, teacher: Model | None) -> PromptSet:
    """Return the prompt set of a task: the named one, or the words each model was trained on, `default` for others."""
    if named:
        return load_prompts(named)
    words = load_prompts(trained_on(student))
    if method.plan is None or teacher is None or trained_on(teacher) == words.name:
        return words
    plan = load_prompts(trained_on(teacher))
    return msgspec.structs.replace(
        words, name=f"{words.name}/{plan.name}", delegate=plan.delegate, teacher_system=plan.teacher_system
    )


def trained_on(model: Model) -> str:
    """Return the prompt set a model was trained on, `default` for one that does not say."""
    return model.capabilities.prompts or "default"
