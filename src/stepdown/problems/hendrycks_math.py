"""MATH (Hendrycks et al., 2021, arXiv 2103.03874) and MATH-500 (Lightman et al., 2023): the last box is the gold."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.tabular import Row
from stepdown.types import Problem

# The hub's order of subjects, which the first 200 problems of the Trace-of-Thought traces follow.
SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


def last_box(solution: str) -> str | None:
    r"""Return what the last `\boxed{...}` (or `\boxed x`, `\fbox{...}`) of a solution holds, None without one."""
    start = max(solution.rfind("\\boxed"), solution.rfind("\\fbox"))
    if start < 0:
        return None
    body = solution[start:].partition("box")[2].removeprefix("ed")
    if not body.startswith("{"):
        return body.lstrip().partition("$")[0].strip() or None
    depth = 0
    for end, letter in enumerate(body):
        escaped = end > 0 and body[end - 1] == "\\"
        depth += ((letter == "{") - (letter == "}")) * (not escaped)
        if depth == 0:
            return body[1:end].strip() or None
    return None


def read_problem(row: Row) -> Problem:
    """Return a row's problem: gold from `answer` where the row has one, else from the solution's last box."""
    solution = row.text("solution", "a worked solution") if "solution" in row.fields else ""
    gold = row.optional("answer") or last_box(solution)
    if not gold:
        raise row.bad("solution", "a gold in `answer`, or a solution with a closed `\\boxed{...}`")
    own = row.optional("unique_id").removesuffix(".json")
    question = row.text("problem", "a question")
    return Problem(id=own, question=question, answer=gold, kind="expression", solution=solution)


MATH = Benchmark(
    about=Dataset(
        name="math",
        kind="expression",
        splits=("test", "train"),
        rows={"test": 5000, "train": 7500},
        licence="MIT",
        source="https://github.com/hendrycks/math",
    ),
    hub=HubFiles(
        repo="EleutherAI/hendrycks_math",
        revision="21a5633873b6a120296cce3e2df9d5550074f4a3",
        files={
            split: tuple(f"{subject}/{split}-00000-of-00001.parquet" for subject in SUBJECTS)
            for split in ("test", "train")
        },
    ),
    read=read_problem,
)

MATH500 = Benchmark(
    about=Dataset(
        name="math500",
        kind="expression",
        splits=("test",),
        rows={"test": 500},
        licence="MIT",
        source="https://github.com/openai/prm800k",
    ),
    hub=HubFiles(
        repo="HuggingFaceH4/MATH-500",
        revision="ff5b20257d8185524591543f8ff5993951537bb8",
        files={"test": ("test.jsonl",)},
    ),
    read=read_problem,
)
