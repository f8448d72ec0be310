"""What earlier versions wrote, as copies that a test may change; `tests/data/write.py` says how they were made."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from places import DATA

# Nothing listens at this port: what is asked of a model fails, so what succeeds was found.
ADDRESS = "http://127.0.0.1:9/v1"
ENVIRONMENT = {
    "OPENAI_BASE_URL": ADDRESS, "OPENAI_API_KEY": "none", "STEPDOWN_STORE": "store.sqlite",
    "STEPDOWN_ENGINE": "transformers", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1",
}  # fmt: skip


class Written(NamedTuple):
    """A folder that a version wrote, and the facts that it noted: commands with what they `said`, ids, call keys."""

    folder: Path
    facts: dict[str, Any]

    def commands(self, *, again: bool) -> list[dict[str, Any]]:
        """The commands that were given; `again` are those that can be repeated."""
        return [one for one in self.facts["commands"] if one["again"] is again]

    def said_by(self, verb: str) -> list[dict[str, Any]]:
        """What the commands of a verb printed, in their order."""
        return [line for one in self.facts["commands"] if one["command"][0] == verb for line in one["said"]]

    def copy_to(self, folder: Path) -> Path:
        """Copy everything into a folder, unpacked, and return it."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        for packed in folder.glob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        return folder


def _read(name: str) -> Written:
    plain, packed = DATA / name / "ids.json", DATA / name / "ids.json.gz"
    return Written(
        plain.parent, json.loads(plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes()))
    )


OLDEST = _read("written_by_0_1_0")
NEWEST = _read("written_by_7067128")
