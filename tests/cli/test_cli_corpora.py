"""`sample`, `keep`, `export` and `import` on corpora: from a teacher's endpoint to a file another tool tunes on."""

from pathlib import Path

import pytest

from command_line import last_printed
from faulty_server import FaultyServer
from stepdown.cli import main
from stepdown.corpus import open_corpus

TEACHER = ("--teacher", "openai/student")


def sample(chains: int, out: str, *options: str) -> int:
    return main(["sample", "sums.jsonl", *TEACHER, "--chains", str(chains), "--out", out, *options])


def test_sample_writes_a_corpus_and_says_what_it_holds(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(4, "corpus", "--json") == 0
    found = last_printed(capsys)
    assert (found["problems"], found["chains"], found["right"]) == (6, 24, 24)
    assert found["run"]["calls"] == 24 and found["run"]["tokens"].keys() == {"teacher"}


def test_sampling_more_chains_pays_only_for_the_missing_ones(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(4, "four") == sample(6, "six", "--json") == 0
    found = last_printed(capsys)["run"]
    assert (found["calls"], found["cached"]) == (12, 24)


def test_sample_refuses_a_taken_place_before_it_asks(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample(1, "corpus") == 0
    before = len(server.bodies)
    assert sample(2, "corpus") == 2 and len(server.bodies) == before


@pytest.mark.parametrize(
    "given",
    [
        "--chains 30", "--chains 5", "--demos mine.jsonl", "--zero-shot", "--prompts default", "--temperature 0.5",
        "--temperature 1", "--timeout 600", "--top-p 0.9", "--max-tokens 64", "--seed 0", "--without-logprobs", 
        "--budget 1",
        "--max-tokens-total 9", "--prices p.json", "--estimate", "--concurrency 4", "--timeout 9",
        "--store other.sqlite",
    ],
)  # fmt: skip
def test_what_means_nothing_for_gold_solutions_is_refused_by_its_name(
    given: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gold = ["sample", "wordsums", "-n", "4", "--teacher", "gold", "--out", "gold"]
    assert main([*gold, *given.split()]) == 2
    assert f"so `{given.split()[0]}` would" in capsys.readouterr().err
    assert not list(Path().glob("*gold*")) and not Path("other.sqlite").exists()


def test_all_that_means_nothing_for_gold_solutions_is_named_at_once(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "wordsums", "--teacher", "gold", "--out", "gold", "--chains", "5", "--seed", "1"]) == 2
    assert "so `--chains`, `--seed` would have no effect" in capsys.readouterr().err


def test_gold_solutions_are_a_corpus_with_the_licence_it_was_given(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gold = ["sample", "wordsums", "-n", "4", "--teacher", "gold", "--out", "gold", "--licence", "CC0", "--json"]
    assert main(gold) == 0 and last_printed(capsys)["chains"] == 4
    assert open_corpus("gold").card.licence == "CC0"


@pytest.mark.parametrize(
    "command",
    [
        "sample sums.jsonl --teacher openai/student --chains 2", "publish corpus gold", "bundle sums",
        "study gold --base smollm2-135m --test sums.jsonl", "train gold --base smollm2-135m",
        "taste gold --base smollm2-135m",
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_in_a_store_is_refused_before_anything_is_done(
    command: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "wordsums", "-n", "4", "--teacher", "gold", "--out", "gold"]) == 0
    assert main(["run", "sums.jsonl", "--method", "direct", "--student", "openai/student"]) == 0
    capsys.readouterr()
    assert main([*command.split(), "--out", "s3://bucket/x"]) == 2
    assert "`s3://bucket/x` is an address" in capsys.readouterr().err
    assert len(server.bodies) == 6 and not Path("s3:").exists()


def test_an_address_of_no_store_that_is_known_is_refused_and_makes_no_folder(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "wordsums", "-n", "4", "--teacher", "gold", "--out", "gold"]) == 0
    for address in ("memory://x/y", "gcs://bucket/x", "s3://"):
        assert main(["keep", "gold", "all", "--out", address]) == 2
        assert "is no address of an object store" in capsys.readouterr().err
    assert not list(Path().glob("*:*"))


def test_a_budget_that_is_reached_leaves_no_corpus(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample(4, "corpus", "--max-tokens-total", "2000") == 3
    assert not Path("corpus").exists() and "goes on from here" in capsys.readouterr().err


def test_keep_writes_a_view_and_tells_what_each_filter_kept(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(4, "corpus") == main(["keep", "corpus", "right", "per-problem=1", "--out", "kept"]) == 0
    assert main(["keep", "corpus", "right", "per-problem=1", "--out", "again", "--json"]) == 0
    found = last_printed(capsys)
    assert found["chains"] == 6 and [one["chains_kept"] for one in found["selection"]] == [24, 6]
    assert found["fingerprint"] == open_corpus("kept").card.fingerprint


def test_a_filter_there_is_not_is_refused_before_anything_is_written(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(1, "corpus") == 0
    assert main(["keep", "corpus", "rigth", "--out", "kept"]) == 2
    assert "did you mean `right`" in capsys.readouterr().err and not Path("kept").exists()


def test_a_corpus_goes_out_as_messages_and_comes_back(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample(2, "corpus") == main(["export", "corpus", "--to", "messages", "--out", "chats.jsonl"]) == 0
    assert main(["import", "chats.jsonl", "--out", "back", "--json"]) == 0
    found = last_printed(capsys)
    assert (found["problems"], found["chains"]) == (6, 12)


def test_runs_become_a_corpus_of_plans(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "sums.jsonl", "--student", "openai/student", "--teacher", "openai/teacher", "--json"]
    assert main(asked) == 0
    assert main(["export", last_printed(capsys)["run"], "--to", "plans", "--out", "plans", "--json"]) == 0
    found = last_printed(capsys)
    assert (found["content"], found["chains"], found["right"]) == ("plan", 6, 6)


def test_tuning_data_is_not_made_of_a_run_directly(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sums.jsonl", "--student", "openai/student", "--method", "direct", "--json"]) == 0
    assert main(["export", last_printed(capsys)["run"], "--to", "messages", "--out", "x.jsonl"]) == 2
    assert "--to corpus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("export", "corpora/none", "--to", "messages", "--out", "x.jsonl"), "there is no corpus `corpora/none`"),
        (("export", "several", "--to", "gguf", "--out", "x.gguf"), "name one of them: `several/seed-0`"),
        (("export", "none", "--to", "gguf", "--out", "x.gguf"), "`none` is not a model"),
        (("import", "sums.jsonl"), "`stepdown import FILE --out CORPUS`"),
        (("import", "sums.jsonl", "--teacher", "openai/gpt-4o"), "name its folder with --out"),
        (("run", "sums.jsonl", "--student", "students/none"), "there is no folder `students/none`"),
        (("keep", "none", "right", "--out", "kept"), "`stepdown sample` or `stepdown import` makes one"),
        (("sample", "sums.jsonl", *TEACHER), "`stepdown sample` needs `--out`"),
    ],
)
def test_what_leads_nowhere_is_refused_with_the_way_there(
    command: tuple[str, ...], said: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("several/seed-0").mkdir(parents=True)
    Path("several/seed-0/config.json").write_text("{}")
    assert main(list(command)) == 2
    assert said in capsys.readouterr().err and not server.bodies
