"""The nouns of stepdown, as frozen values, and the shapes that models, methods and graders have."""

from inspect import isclass

from stepdown.identity import fingerprint
from stepdown.types.drawing import GREEDY, AnswerForm, Effort, Sampling, ToolCall, ToolCallPiece
from stepdown.types.methods import Ask, Grader, Method, Prompt, VotingGrader
from stepdown.types.models import Backoff, Capabilities, HiddenProgress, Model, Pricing
from stepdown.types.study_files import StudyFile
from stepdown.types.values import (
    LETTERS,
    MOST_TOKENS,
    Call,
    Chain,
    Finish,
    Grade,
    Kind,
    Message,
    Messages,
    Plan,
    Problem,
    Reply,
    Role,
    Settings,
    Trace,
    Usage,
    Verdict,
)

__all__ = [
    "GREEDY",
    "LETTERS",
    "MOST_TOKENS",
    "AnswerForm",
    "Ask",
    "Backoff",
    "Call",
    "Capabilities",
    "Chain",
    "Effort",
    "Finish",
    "Grade",
    "Grader",
    "HiddenProgress",
    "Kind",
    "Message",
    "Messages",
    "Method",
    "Model",
    "Plan",
    "Pricing",
    "Problem",
    "Prompt",
    "Reply",
    "Role",
    "Sampling",
    "Settings",
    "StudyFile",
    "ToolCall",
    "ToolCallPiece",
    "Trace",
    "Usage",
    "Verdict",
    "VotingGrader",
    "fingerprint",
]

# By this name they stand in the identity of code that uses them, whichever file holds them.
for _noun in list(globals().values()):
    if isclass(_noun) and _noun.__module__.startswith(f"{__name__}."):
        _noun.__module__ = __name__
