"""Benchmark files from the Hugging Face hub, each at its pinned commit and kept in the hub's own cache."""

import os
import re
from pathlib import Path

from stepdown.errors import MissingExtra, UsageError
from stepdown.hosts import reach
from stepdown.problems.benchmarks import HubFiles

REACH_SECONDS = 10.0
_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_FILE_ADDRESS = re.compile(rf"hf://datasets/({_PART}/{_PART})(?:@([\w./-]{{1,200}}?))?/((?!.*\.\.)[\w][^@?#\s]*)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_from_hub(address: str) -> Path:
    """Return the local path of a file of a data set on the hub: `hf://datasets/OWNER/NAME@COMMIT/FILE`.

    Without `@COMMIT` it is the file as it is now, asked for each time. Raises as `fetch_files`, and `UsageError` for
    an address that is none.
    """
    found = _FILE_ADDRESS.fullmatch(address)
    if not found:
        raise UsageError(
            f"`{address[:200]}` is no file of a data set on the hub",
            "write `hf://datasets/OWNER/NAME@COMMIT/FILE.jsonl`; the commit pins it",
        )
    return fetch_file(HubFiles(repo=found[1], revision=found[2] or "main", files={}), found[3])


def fetch_files(hub: HubFiles, split: str) -> list[Path]:
    """Return the local paths of a split's files, downloaded where the cache lacks them.

    `HF_ENDPOINT`, `HF_HUB_CACHE` and `HF_TOKEN` are honoured. Raises `UsageError` where the hub cannot be reached or
    lacks the file or the split, `MissingExtra` without `huggingface_hub`.
    """
    if not hub.files[split]:
        raise UsageError(
            f"the hub has no split `{split}` of `{hub.repo}`",
            "fetch its file from its source and name it with --data FILE",
        )
    return [fetch_file(hub, name) for name in hub.files[split]]


def kept_files(hub: HubFiles, split: str) -> list[Path]:
    """Return the paths of a split's files where the hub's cache has all of them; nothing is asked or fetched."""
    home = os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    folder = cache / f"datasets--{hub.repo.replace('/', '--')}" / "snapshots" / hub.revision
    files = [folder / name for name in hub.files.get(split, ())]
    return files if all(path.is_file() for path in files) else []


def fetch_file(hub: HubFiles, name: str) -> Path:
    """Return the local path of one file of a hub repository at its pinned commit."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import httpx2
        from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub", f"`{hub.repo}` from the hub") from error
    # Endpoint and cache are named here because huggingface_hub reads its environment once, at its first import.
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    cache = os.environ.get("HF_HUB_CACHE") or None
    kept = try_to_load_from_cache(hub.repo, name, cache, hub.revision, "dataset")
    # A branch goes on, and what the cache has of it may be old.
    if isinstance(kept, str) and _COMMIT.fullmatch(hub.revision):
        return Path(kept)
    try:
        # huggingface_hub alone retries for 24 seconds.
        reach(endpoint, REACH_SECONDS)
        got = hf_hub_download(
            hub.repo, name, repo_type="dataset", revision=hub.revision, cache_dir=cache, endpoint=endpoint
        )
    except (OSError, httpx2.HTTPError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"the hub did not give `{name}` of `{hub.repo}`: {reason}",
            "fetch the file by another way and name it with `--data FILE`, or use `wordsums`, which needs no file",
        ) from error
    return Path(got)
