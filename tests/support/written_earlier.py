"""What an earlier release wrote, as a copy that a test may change; `write.py` beside the files says how it was made."""

import json
import shutil
from pathlib import Path
from typing import Any

from places import ROOT

EARLIER = ROOT / "tests" / "data" / "written_by_0_1_0"
FACTS: dict[str, Any] = json.loads((EARLIER / "ids.json").read_text())
# Nothing listens at this port: what is asked of a model fails, so what succeeds was found.
ADDRESS = "http://127.0.0.1:9/v1"
ENVIRONMENT = {
    "OPENAI_BASE_URL": ADDRESS, "OPENAI_API_KEY": "none", "STEPDOWN_STORE": "store.sqlite",
    "STEPDOWN_ENGINE": "transformers", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1",
}  # fmt: skip


def commands(*, again: bool) -> list[dict[str, Any]]:
    """The commands that were given, with what they `said`; `again` are those that can be repeated."""
    return [one for one in FACTS["commands"] if one["again"] is again]


def said_by(verb: str) -> list[dict[str, Any]]:
    """What the commands of a verb printed, in their order."""
    return [line for one in FACTS["commands"] if one["command"][0] == verb for line in one["said"]]


def copy_to(folder: Path) -> Path:
    """Copy everything into a folder and return it."""
    shutil.copytree(EARLIER, folder, dirs_exist_ok=True)
    return folder
