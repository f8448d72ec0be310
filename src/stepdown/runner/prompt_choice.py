"""Choose a task's prompt set: the named one, else the one its models were trained on."""

from stepdown.prompts import PromptSet, load_prompts
from stepdown.types import Method, Model


def prompt_set_for(
    method: Method, named: str, student: Model, teacher: Model | None, *, code: bool = False
) -> PromptSet:
    """Return the prompt set of a task: the named one, or the words each model was trained on, `default` for others."""
    if named:
        return load_prompts(named, code=code)
    words = load_prompts(trained_on(student))
    if not method.asks_teacher or teacher is None or trained_on(teacher) == words.name:
        return words
    return words.planned_by(load_prompts(trained_on(teacher)), method)


def trained_on(model: Model) -> str:
    """Return the prompt set a model was trained on, `default` for one that does not say."""
    return model.capabilities.prompts or "default"
