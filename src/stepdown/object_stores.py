"""Files and folders in object stores, by address (`s3://bucket/folder`, `gs://`, `hf://`), copied here and back."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from stepdown.errors import MissingExtra, UsageError
from stepdown.extras import has
from stepdown.files import folder_beside, locked
from stepdown.untrusted import reading

# What each scheme needs; fsspec itself comes with each of them.
SCHEMES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}
# What the hub holds beside models, whose addresses name no kind.
_KINDS = ("datasets", "spaces", "buckets")
# A path that was an address has lost one of its slashes.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):(?:/+([^/].*)?)?")
_HINT = "check the address and the credentials, which are those of the store's own tools (docs/corpora_at_scale.md)"
Progress = Callable[[int, int], None]


def address_of(path: str | Path) -> str | None:
    """Return the address that a text or a path of an object store stands for, None for a place of this machine.

    Raises `UsageError` for an address of another kind: a folder of this machine would be made for it.
    """
    found = _ADDRESS.fullmatch(str(path))
    if found is None or (not found[2] and found[1] not in SCHEMES):
        return None
    if found[1] not in SCHEMES or not found[2]:
        known = ", ".join(f"`{one}://...`" for one in SCHEMES)
        raise UsageError(f"`{str(path)[:200]}` is no address of an object store", f"known: {known}; or name a path")
    return f"{found[1]}://{found[2].rstrip('/')}"


def refuse_address(out: str | Path, hint: str) -> None:
    """Raise `UsageError` where a command that writes a folder of this machine is given an address."""
    if address := address_of(out):
        raise UsageError(f"`{address}` is an address: this command writes a folder", hint.replace("ADDRESS", address))


def _opened(address: str) -> tuple[Any, str]:
    """Return the store of an address and the path in it. Raises `MissingExtra` and `UsageError`."""
    package = SCHEMES[address.partition(":")[0]]
    for module in ("fsspec", package):
        if not has(module):
            raise MissingExtra(module, "cloud", f"`{address}`")
    with reading(f"cannot open `{address}`", _HINT):
        store, path = import_module("fsspec").core.url_to_fs(address, use_listings_cache=False)
        # The hub's keeps lists all the same.
        store.invalidate_cache()
    return store, path


@contextmanager
def fetched(address: str, beside: Path, *, progress: Progress | None = None) -> Iterator[Path]:
    """Give a copy of a file in a folder that goes away; raise `UsageError` where it is not there, or ends early."""
    store, path = _opened(address)
    beside.mkdir(parents=True, exist_ok=True)
    with folder_beside(beside / "fetched") as folder:
        copy = folder / path.rpartition("/")[2]
        _fetch(store, path, address, copy, progress)
        yield copy


def fetch_folder(address: str, cache: Path, *, last: str, progress: Progress | None = None) -> Path:
    """Copy a folder into a cache and return the copy; files of the same sizes and the same `last` are not copied again.

    `last` is the file that was written last, whose being there says that the folder is whole. Raises `UsageError`.
    """
    store, path = _opened(address)
    with reading(f"cannot list `{address}`", _HINT):
        listed = {one["name"].rpartition("/")[2]: one for one in _listed(store, path) if one["type"] == "file"}
    if last not in listed:
        raise UsageError(f"`{address}` is no corpus: it has no `{last}`", "name the folder that holds it")
    copy = copy_of(address, cache)
    copy.mkdir(parents=True, exist_ok=True)
    with locked(copy.parent / f"{copy.name}.lock", f"another process copies `{address}`"):
        with reading(f"cannot read `{address}/{last}`", _HINT):
            body = store.cat_file(f"{path}/{last}")
        if not (copy / last).is_file() or (copy / last).read_bytes() != body:
            for old in copy.iterdir():
                old.unlink()
        total, done = sum(int(one["size"]) for one in listed.values()), 0
        for name, one in sorted(listed.items(), key=lambda item: item[0] == last):
            target = copy / name
            if not target.is_file() or target.stat().st_size != one["size"]:
                _fetch(store, one["name"], f"{address}/{name}", target)
            done += int(one["size"])
            if progress:
                progress(done, total)
        for name in {file.name for file in copy.iterdir()} - listed.keys():
            (copy / name).unlink()
    return copy


def copy_of(address: str, cache: Path) -> Path:
    """Return where the copy of a folder lies in a cache: under its own name, in a folder for the address."""
    return cache / blake2b(address.encode(), digest_size=8).hexdigest() / address.rpartition("/")[2]


def check_folder(address: str, *, last: str, ours: Callable[[str], bool], force: bool) -> None:
    """Raise `UsageError` where no folder can be put: another is whole there, without `force`, or foreign files lie."""
    store, path = _opened(address)
    with reading(f"cannot list `{address}`", _HINT):
        names = [one["name"].rpartition("/")[2] for one in _listed(store, path)]
    foreign = [name for name in names if not ours(name)]
    if foreign:
        raise UsageError(f"`{address}` holds `{foreign[0][:80]}` and is no corpus", "name another folder")
    if last in names and not force:
        raise UsageError(
            f"the corpus `{address}` is there already", "name another folder, or replace it with `--force`"
        )


def put_folder(folder: Path, address: str, *, last: str, progress: Progress | None = None) -> None:
    """Copy a folder into a store, `last` at the end, so that what is cut off on the way is not taken for whole.

    What was there is not whole from the start, and goes. Where it fails, what was copied is removed as far as can be.
    """
    store, path = _opened(address)
    files = sorted(folder.iterdir(), key=lambda file: (file.name == last, file.name))
    total, done = sum(file.stat().st_size for file in files), 0
    try:
        with reading(f"cannot write `{address}`", f"{_HINT}; nothing whole is left there"):
            before = {one["name"].rpartition("/")[2] for one in _listed(store, path)}
            for name in sorted(before, key=lambda name: name != last):
                store.rm_file(f"{path}/{name}")
            for file in files:
                store.put_file(str(file), f"{path}/{file.name}")
                done += file.stat().st_size
                if progress:
                    progress(done, total)
    except BaseException:
        with suppress(Exception):
            for file in files:
                store.rm_file(f"{path}/{file.name}")
        raise


def _listed(store: Any, path: str) -> Sequence[dict[str, Any]]:
    """Return what lies in a folder; nothing where there is none, though its bucket must be there."""
    try:
        found: list[dict[str, Any]] = store.ls(path, detail=True)
    except FileNotFoundError:
        store.ls(_root(store, path), detail=False)
        return []
    return [one for one in found if one["name"] != path]


def _root(store: Any, path: str) -> str:
    """Return the part of a path that must be there: a bucket, or the hub's repository."""
    parts = path.split("/")
    if store.protocol != "hf":
        return parts[0]
    return "/".join(parts[: 3 if parts[0] in _KINDS else 2])


def _fetch(store: Any, path: str, address: str, target: Path, progress: Progress | None = None) -> None:
    part = target.with_name(f".{target.name}.part")
    try:
        with reading(f"cannot read `{address}`", _HINT):
            size = int(store.info(path)["size"])
            with store.open(path, "rb") as source, part.open("wb") as out:
                while block := source.read(1 << 22):
                    out.write(block)
                    if progress:
                        progress(out.tell(), size)
        if part.stat().st_size != size:
            what = f"`{address}` ended early: {part.stat().st_size:,} of {size:,} bytes came"
            raise UsageError(what, "try again; nothing was written")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
