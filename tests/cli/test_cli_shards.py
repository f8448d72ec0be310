"""`--shard` and `store merge` on the command line: what is refused before anything is sent, and what is said."""

from pathlib import Path

import pytest

from command_line import printed, write_sums
from faulty_server import FaultyServer

RUN = ("run", "sums.jsonl", "--method", "direct", "--student", "openai/student")
SAMPLE = ("sample", "sums.jsonl", "--teacher", "openai/student", "--out", "chains", "--allow", "test")
COUNT = 6


@pytest.mark.parametrize("shard", ["0/3", "4/3", "a/b"])
@pytest.mark.parametrize("verb", ["run", "sample", "grade", "keep"])
def test_a_shard_that_cannot_be_is_refused_before_anything_is_sent_or_written(
    verb: str, shard: str, server: FaultyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {"run": RUN, "sample": SAMPLE, "grade": ("grade", "abc"), "keep": ("keep", "chains", "--out", "kept")}
    [said] = printed(capsys, *commands[verb], "--shard", shard, codes=(2,))
    assert said["error"]["option"] == "--shard" and f"`{shard}`" in said["error"]["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["sums.jsonl"] and server.bodies == []


def test_a_shard_is_done_when_its_problems_are_and_the_list_says_which_part_is_here(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [printed(capsys, *RUN, "--shard", f"{n}/2", "--store", f"{n}.sqlite")[0] for n in (1, 2)]
    assert [one["graded"] for one in parts] == [one["total"] for one in parts]
    assert sum(one["total"] for one in parts) == COUNT == len(server.bodies)
    assert printed(capsys, "runs", "--store", "1.sqlite")[0]["shards"] == "1 of 2 shards"
    printed(capsys, "store", "merge", "1.sqlite", "2.sqlite", "--into", "all.sqlite")
    [whole] = printed(capsys, "runs", "--store", "all.sqlite")
    assert (whole["shards"], whole["right"], whole["total"]) == ("", COUNT, COUNT)
    assert printed(capsys, *RUN, "--store", "all.sqlite")[0]["calls"] == 0


def test_a_run_is_whole_once_a_command_without_shard_did_the_rest(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, *RUN, "--shard", "1/2")
    assert printed(capsys, "runs")[0]["shards"] == "1 of 2 shards"
    assert printed(capsys, *RUN)[0]["graded"] == COUNT
    assert printed(capsys, "runs")[0]["shards"] == ""
    [merged] = printed(capsys, "store", "merge", "stepdown.sqlite", "--into", "all.sqlite")
    assert [(one["missing"], one["problems"]) for one in merged["runs"]] == [([], COUNT)]


def test_shards_of_other_data_are_refused_with_what_differs(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, *RUN, "--shard", "1/2", "--store", "1.sqlite")
    write_sums(COUNT + 1)
    printed(capsys, *RUN, "--shard", "2/2", "--store", "2.sqlite")
    [said] = printed(capsys, "store", "merge", "1.sqlite", "2.sqlite", "--into", "all.sqlite", codes=(2,))
    assert "differ in `problems`" in said["error"]["message"] and not Path("all.sqlite").exists()


def test_what_would_have_no_effect_is_refused(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    [said] = printed(capsys, *SAMPLE[:2], "--teacher", "gold", "--out", "gold", "--shard", "1/2", codes=(2,))
    assert "`--shard` would have no effect" in said["error"]["message"]
    printed(capsys, *RUN, "--shard", "1/2")
    [said] = printed(capsys, "store", "merge", "stepdown.sqlite", "--into", "all.sqlite", "--force", codes=(2,))
    assert "`--force` would have no effect" in said["error"]["message"] and not Path("all.sqlite").exists()
