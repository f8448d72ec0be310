"""Whether a student's two ways of serving read a prompt as the same tokens."""

from pathlib import Path
from typing import Any

from stepdown.errors import CallFailed
from stepdown.models.local import import_genai, template_of
from stepdown.models.weights import GGUF
from stepdown.training.students.vocabularies import CannotConvert
from stepdown.types import Message

# Digits, money, blank lines, letters beyond ASCII, and what looks like a part of a template.
PROBES = (
    "Tom has 3 boxes with 12 apples each, at $1,250.75 a box. How many apples are left after 1/2 are eaten?",
    "Which is it?\nA. don't\nB. they'll\n\n\tPlan:\n1. Add  them.\n2. Say it.\n",
    "x² ≤ 5 café 漢字 naïve — “quoted” 😀 <b>&amp;</b> {{ no }} user assistant",
)
SHOWN = 40


def check_prompts(folder: Path, tokenizer: Any) -> None:
    """Raise `CannotConvert` where OpenVINO reads a prompt from model.gguf otherwise than `tokenizer` does.

    Tokens are compared on probes, in the chat template that every engine is asked in; nothing is checked where
    OpenVINO is not installed.
    """
    try:
        genai = import_genai()
    except ImportError:
        return
    try:
        engine = genai.Tokenizer(str(folder / GGUF))
        template = template_of(tokenizer, folder)
        for probe in PROBES:
            _compare(probe, template.render((Message("user", probe),)), tokenizer, engine)
    except CallFailed as error:
        raise CannotConvert(error.what) from error
    except RuntimeError as error:
        raise CannotConvert(f"OpenVINO cannot read its tokenizer ({str(error).splitlines()[-1]})") from error


def _compare(probe: str, text: str, tokenizer: Any, engine: Any) -> None:
    wanted = tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = engine.encode(text, add_special_tokens=False).input_ids.data[0].tolist()
    if tokens != wanted:
        raise CannotConvert(f"OpenVINO reads {probe[:SHOWN]!r} as other tokens than those of the training")
