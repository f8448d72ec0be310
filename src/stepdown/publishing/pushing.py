"""A published folder put on the hub, when it is asked for: one commit, in a repository that is private unless said."""

import os
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from stepdown.errors import EndpointRefused, MissingExtra, UsageError
from stepdown.hosts import reach
from stepdown.text import error_line

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SECONDS = 10.0
HUB = "https://huggingface.co"


class Pushed(msgspec.Struct, frozen=True):
    """Where a folder lies on the hub: its page, the commit that pins it, and the address that stepdown takes."""

    url: str
    commit: str
    address: str


def check_repository(name: str) -> None:
    """Raise `UsageError` for what is no name of a repository, `MissingExtra` where the hub's client is missing."""
    if not _REPOSITORY.fullmatch(name):
        raise UsageError(f"`{name[:100]}` is no repository of the hub", "give --repo OWNER/NAME")
    _client()


def push(folder: Path, repo: str, *, kind: Literal["corpus", "student"], public: bool = False) -> Pushed:
    """Put a folder on the hub as one commit; `HF_ENDPOINT` and `HF_TOKEN` are honoured, and nothing of them is kept.

    Raises `UsageError`, `MissingExtra`, and `EndpointRefused` where the hub cannot be reached or refuses.
    """
    check_repository(repo)
    hub = _client()
    endpoint = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    what: Literal["dataset", "model"] = "dataset" if kind == "corpus" else "model"
    try:
        reach(endpoint, _SECONDS)
        api = hub.HfApi(endpoint=endpoint, token=os.environ.get("HF_TOKEN") or None, library_name="stepdown")
        api.create_repo(repo, repo_type=what, private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo, repo_type=what, folder_path=folder, commit_message="Publish by stepdown", delete_patterns=None
        )
    except Exception as error:  # its client has errors of its own and those of two others
        raise EndpointRefused(
            f"the hub at `{endpoint}` did not take `{repo}`: {error_line(error)[:300]}",
            f"set HF_TOKEN to a token that may write there; the folder `{folder}` stays as it is",
        ) from error
    commit = str(done.oid)
    place = f"datasets/{repo}" if what == "dataset" else repo
    return Pushed(url=f"{endpoint}/{place}", commit=commit, address=f"hf://{place}@{commit}")


def _client() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub", "`--push`") from error
    return huggingface_hub
