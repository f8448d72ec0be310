"""How recipes split a pool of chains: questions alike stay on one side, whatever words all of them are asked in."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "recipes" / "split_pool.py"
ASKED = ("today", "tomorrow", "yesterday", "ten days ago", "a month ago")


def split(folder: Path, questions: list[str], count: int) -> subprocess.CompletedProcess[str]:
    with gzip.open(folder / "pool.jsonl.gz", "wt") as file:
        for number, question in enumerate(questions):
            file.write(json.dumps({"id": f"p-{number}", "question": question, "answer": "1", "chains": []}) + "\n")
    command = [sys.executable, str(RECIPE), str(folder / "pool.jsonl.gz"), str(folder), str(count)]
    return subprocess.run(command, capture_output=True, text=True)


def test_variants_of_a_story_stay_together_though_all_questions_end_in_the_same_words(tmp_path: Path) -> None:
    stories = [
        f"Person{'abcdefghij'[n // 10]} x{'abcdefghij'[n % 10]} was born {n} days before the war began."
        for n in range(60)
    ]
    asked = [
        f"{story} What is the date {when} when it is written in MM/DD/YYYY?" for story in stories for when in ASKED
    ]
    assert split(tmp_path, asked, 20).returncode == 0
    tested = [json.loads(line)["question"] for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    of_story = [sum(one.startswith(story) for one in tested) for story in stories]
    assert len(tested) == 280 and sorted(set(of_story)) == [0, len(ASKED)]


def test_a_pool_that_leaves_nothing_to_test_on_is_refused(tmp_path: Path) -> None:
    done = split(tmp_path, [f"Tom has {n} red apples and four green pears. How many?" for n in range(9)], 3)
    assert done.returncode == 1 and "all 9 problems are taken to train on" in done.stderr
    assert not (tmp_path / "test.jsonl").exists()
