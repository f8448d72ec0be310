"""The card of a student folder and its README for people, written together."""

from pathlib import Path

import msgspec

from stepdown.files import replacing
from stepdown.models.weights import CARD, StudentCard, student_readme

README, CURVES = "README.md", "curves.png"


def write_card(folder: Path, card: StudentCard) -> None:
    """Write the card of a student folder, and its README for people, each whole or not at all."""
    encoded = msgspec.json.format(msgspec.json.encode(card), indent=2)
    for name, content in (
        (CARD, encoded),
        (README, student_readme(card, has_curves=(folder / CURVES).exists()).encode()),
    ):
        with replacing(folder / name, True) as part:
            part.write_bytes(content)
