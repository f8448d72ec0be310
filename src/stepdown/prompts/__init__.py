"""Every word that is ever said to a model, with its source: a method's own, and sets that say it otherwise."""

from stepdown.prompts.demonstrations import DEMONSTRATIONS, load_demonstrations, with_demonstrations
from stepdown.prompts.following import FOLLOWED, followed_messages, letters_in
from stepdown.prompts.generic_steps import GENERIC_STEPS, GENERIC_WORDS
from stepdown.prompts.judging import JUDGE, PREFER, judge_messages, prefer_messages
from stepdown.prompts.prompt_set import Demonstration, PromptSet, demonstrated, question_text
from stepdown.prompts.rubrics import RUBRIC, YES_NO, known_mark, mark_in, rubric_messages, share_of
from stepdown.prompts.sets import CODE, DEFAULT, PAPER, PROMPT_SETS, SCOTD, STUDENT, TRACES, as_prompts, load_prompts
from stepdown.prompts.stops import MOST, completes, with_stops

__all__ = [
    "CODE",
    "DEFAULT",
    "DEMONSTRATIONS",
    "FOLLOWED",
    "GENERIC_STEPS",
    "GENERIC_WORDS",
    "JUDGE",
    "MOST",
    "PAPER",
    "PREFER",
    "PROMPT_SETS",
    "RUBRIC",
    "SCOTD",
    "STUDENT",
    "TRACES",
    "YES_NO",
    "Demonstration",
    "PromptSet",
    "as_prompts",
    "completes",
    "demonstrated",
    "followed_messages",
    "judge_messages",
    "known_mark",
    "letters_in",
    "load_demonstrations",
    "load_prompts",
    "mark_in",
    "prefer_messages",
    "question_text",
    "rubric_messages",
    "share_of",
    "with_demonstrations",
    "with_stops",
]
