"""Every record of the speedrun goes its whole way at toy size: chains, selection, training, test."""

from importlib import import_module
from pathlib import Path

import pytest
from msgspec.structs import replace

import stepdown as sd
from small_students import TRAINS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(TRAINS[0].args[0], reason="needs the extra `train`")
def test_every_record_goes_its_whole_way_at_toy_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    speedrun, small = import_module("speedrun"), import_module("small_trainings")
    golds = {one.question: one.answer for one in sd.load_problems(speedrun.DATASET, split="train", limit=4)}
    said = lambda messages, *_: next(f"Answer: {a}" for q, a in golds.items() if q in messages[-1].content)  # noqa: E731
    monkeypatch.setattr(speedrun, "TEACHER", sd.ScriptedModel(said, "teacher"))
    base = str(small.write_base(tmp_path / "base", "tiny"))
    for name, record in speedrun.RECORDS.items():
        toy = replace(record, problems=4, training=replace(record.training, steps=1))
        (out := tmp_path / name).mkdir()
        row = speedrun.row_of(name, toy, base, 2, out)
        assert row["tested"] == 2 and row["trained_tokens"] > 0
        assert (row["teacher_tokens"] > 0) == bool(record.chains)
