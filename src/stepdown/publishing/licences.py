"""Licences of what a corpus or a student is made of: said where they are known, and never guessed."""

import re
from collections.abc import Iterable

import msgspec

from stepdown.models.weights import CATALOGUE
from stepdown.problems import datasets

UNKNOWN = "unknown"
# Names of licences as the hub writes them: https://huggingface.co/docs/hub/repositories-licenses.
_HUB_NAMES = frozenset(
    {
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-2.0"),
        *("cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
        *("gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "odc-by", "odbl"),
        *("openrail", "isc", "gemma", "llama3.1", "llama3.2", "llama3.3"),
    }
)


class SourceLicence(msgspec.Struct, frozen=True):
    """A thing that a folder is made of, and its licence: "unknown" where nothing here says it."""

    what: str
    licence: str


def source_licences(dataset: str, teachers: Iterable[str], base: str = "", licence: str = "") -> list[SourceLicence]:
    """Return the licences of the questions, of the models that wrote the chains, and of a base with its own."""
    questions = {one.name: one.licence for one in datasets()}
    weights = {f"embedded/{one.name}": one.licence for one in CATALOGUE}
    found = [SourceLicence(f"questions of {dataset}", questions.get(dataset.partition("/")[0]) or UNKNOWN)]
    # A data set's own solutions are written by nobody else, and come under its licence.
    names = [name for name in teachers if name != "gold"]
    found += [SourceLicence(f"texts by {name}", weights.get(name.partition("+")[0], UNKNOWN)) for name in names]
    if base:
        known = weights.get(f"embedded/{base.removeprefix('embedded/')}", UNKNOWN)
        found.append(SourceLicence(f"base {base}", licence or known))
    return found


def licence_tags(given: str, sources: Iterable[SourceLicence]) -> dict[str, str]:
    """Return what the head of a card says: the licence that was given, or the one that all sources share, or none."""
    shared = {one.licence for one in sources}
    text = given or (shared.pop() if len(shared) == 1 else UNKNOWN)
    name = re.sub(r"[^a-z0-9.+]+", "-", text.strip().lower()).strip("-")
    if name in _HUB_NAMES or name == UNKNOWN:
        return {"license": name}
    return {"license": "other", "license_name": name[:100]}
