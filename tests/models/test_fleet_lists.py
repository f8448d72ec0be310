"""Where the servers of a fleet stand, and a list that changes while it is used."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from fake_time import FakeTime
from stepdown.errors import UsageError
from stepdown.models import EndpointModel, ServerFiles, load_endpoint, load_model
from stepdown.models.http.endpoints import find_endpoint
from stepdown.models.http.fleets.fleet_server import FleetServer
from stepdown.models.http.fleets.server_lists import (
    find_servers,
    read_servers,
    server_list,
    split_addresses,
)
from stepdown.models.http.fleets.tending import Tending
from stepdown.web import load_config

A, B, C = (f"http://127.0.0.1:{port}/v1" for port in (1, 2, 3))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "servers.txt"
    path.write_text(f"# the fleet\n{A}\n\n{B} # the slow one\n")
    return path


def test_a_file_has_an_address_a_line_and_remarks(file: Path) -> None:
    assert read_servers(file).addresses == (A, B)


@pytest.mark.parametrize(
    "raw", [b"", b"# none\n", b"\xff\xfe\x00", b"<html>", f"{A}\n{A}/\n".encode(), b"a" * (1 << 20) + b"\n"]
)
def test_a_file_that_cannot_be_a_list_is_refused(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    with pytest.raises(UsageError, match=r"servers\.txt"):
        read_servers(file)


@pytest.mark.parametrize(
    "again", ["HTTP://127.0.0.1:1/v1", "http://localhost:1/v1/", "http://localhost.:01/v1/chat/completions"]
)
def test_one_server_is_known_by_each_way_to_write_its_address(again: str) -> None:
    with pytest.raises(UsageError, match="twice"):
        server_list([A, again], "`list`")


@pytest.mark.parametrize(
    ("one", "again"),
    [("http://[::1]:1/v1", "http://[0:0::1]:1/v1"), ("http://b\u00fccher/v1", "http://xn--bcher-kva:80/v1")],
)
def test_a_host_is_known_by_each_way_to_write_it(one: str, again: str) -> None:
    with pytest.raises(UsageError, match="twice"):
        server_list([one, again], "`list`")


def test_a_line_with_several_addresses_is_refused_without_their_passwords(file: Path) -> None:
    file.write_text(f"{A}, http://me:secret@127.0.0.1:2/v1\n")
    with pytest.raises(UsageError, match=f"has `{A}, http://127.0.0.1:2/v1` as one server") as refused:
        read_servers(file)
    assert "one address a line" in refused.value.hint


def test_a_comma_in_a_query_parts_nothing_but_before_another_address() -> None:
    assert split_addresses("http://a/v1?x=1,2") == ["http://a/v1?x=1,2"]
    assert split_addresses("http://a/v1?x=1, http://b/v1") == ["http://a/v1?x=1", "http://b/v1"]


def test_a_file_is_for_the_one_provider_that_is_asked_or_for_the_one_it_is_given_to(file: Path) -> None:
    plain = ServerFiles([str(file)])
    assert (plain.find("vllm/a"), plain.find("vllm/b")) == (file, file)
    with pytest.raises(UsageError, match="would be for `vllm/a` and for `sglang/a`") as refused:
        plain.find("sglang/a")
    assert refused.value.option == "--servers"
    named = ServerFiles([f"sglang={file}"])
    assert (named.find("vllm/a"), named.find("sglang/a")) == (None, file)


def test_two_files_for_one_provider_are_refused(file: Path) -> None:
    for given in ([str(file)] * 2, [f"vllm={file}"] * 2):
        with pytest.raises(UsageError, match="a second file"):
            ServerFiles(given)


def test_a_file_goes_before_the_variable_and_that_before_the_settings(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stepdown.toml").write_text(f'[models.vllm]\nservers = ["{C}"]\n')
    found = find_servers("vllm/a")
    assert found is not None
    assert found.addresses == (C,)
    monkeypatch.setenv("VLLM_BASE_URL", A)
    assert isinstance(load_model("vllm/a"), EndpointModel)
    assert load_endpoint("vllm/a", servers=ServerFiles([str(file)])).capabilities.source == "fleet/vllm"


def test_a_settings_file_may_have_fleets_and_served_methods(tmp_path: Path) -> None:
    path = tmp_path / "stepdown.toml"
    served = '[models.mine]\nmethod = "direct"\nstudent = "vllm/small"\n'
    path.write_text(f'{served}[models.vllm]\nservers = ["{A}"]\n')
    assert list(load_config(path).models) == ["mine"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("servers = []", "names no server"),
        (f'servers = ["{A}", "{A}"]', "twice"),
        (f'servers = ["{A}"]\nstudent = "x/y"', "has `student` too"),
        ('servers = "http://a"', "cannot read"),
    ],
)
def test_a_fleet_in_a_settings_file_that_cannot_be_right_is_refused(tmp_path: Path, table: str, said: str) -> None:
    path = tmp_path / "stepdown.toml"
    path.write_text(f"[models.vllm]\n{table}\n")
    with pytest.raises(UsageError, match=said):
        load_config(path)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (f'server = ["{A}"]', "names no `servers`"),
        (f'servers = ["{A}"]\nconcurrency = 4', "has `concurrency` too"),
        ("servers = [1]", "cannot read"),
    ],
)
def test_a_run_asks_nowhere_else_because_of_a_misspelt_fleet(
    tmp_path: Path, table: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stepdown.toml").write_text(f"[models.vllm]\n{table}\n")
    with pytest.raises(UsageError, match=said):
        load_model("vllm/a")
    assert isinstance(load_model("sglang/a"), EndpointModel)


def follow(file: Path, text: str) -> tuple[Tending, list[str]]:
    """Return a fleet's care after its file was changed and looked at for some seconds, and the servers that stay."""
    time = FakeTime()

    def make(address: str) -> FleetServer:
        return FleetServer(EndpointModel(find_endpoint("vllm/small", address)), time.clock)

    async def watch() -> list[str]:
        file.write_text(text)
        os.utime(file, ns=(1, 1))
        for _ in range(4):
            time.now += 1.1
            tending.look()
        stay = [one.address for one in tending.turns.servers if not one.leaving]
        await tending.close()
        return stay

    tending = Tending("vllm/small", "small", read_servers(file), make, time.clock)
    return tending, asyncio.run(watch())


def test_a_server_that_is_added_to_the_file_takes_part_and_one_that_is_taken_off_is_drained(file: Path) -> None:
    tending, stay = follow(file, f"{B}\n{C}\n")
    assert stay == [B, C]
    assert [one.address for one in tending.turns.servers] == [B, C]


@pytest.mark.parametrize("text", ["", f"{A}\nhttp://", "nonsense"])
def test_a_file_that_is_wrong_keeps_the_last_good_list_and_is_said(
    file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        _, stay = follow(file, text)
    assert stay == [A, B]
    assert caplog.text.count("it goes on with the last good list (0 of 2 servers answer)") == 1


def test_a_server_with_calls_under_way_leaves_only_after_them(file: Path) -> None:
    time = FakeTime()
    server = FleetServer(EndpointModel(find_endpoint("vllm/small", A)), time.clock)
    server.rejoin()
    server.in_flight = 1
    tending = Tending("vllm/small", "small", read_servers(file), lambda address: server, time.clock)
    server.leaving = True
    assert server.room == 0
    tending._drain()
    assert server in tending.turns.servers
