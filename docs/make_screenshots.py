"""Takes the pictures of the pages in `docs/screenshots`; `make screenshots` runs it.

python docs/make_screenshots.py [--folder FOLDER] [--out docs/screenshots]

It runs word sums by an embedded student in FOLDER (a new one, if none is named), calibrates a cascade of two planners
and trains students of the smallest base: half an hour on two cores. Where weights are not here, a script stands in for
them and nothing is trained. It serves what came of it to Chromium, where a run is started, a problem solved again and
the endpoint asked. With a FOLDER that is filled already it only takes the pictures.
Pillow, where it is installed, makes them a third of the size.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from math import floor
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from playwright.sync_api import Page, expect

import stepdown as sd
from browser import Scheme, chromium, serving, watched
from cascade_runs import two_runs
from served import served
from stepdown.corpus import Card, CorpusWriter
from stepdown.measuring import Goal, calibrate
from stepdown.models.weights.downloads import fetched
from stepdown.store import Run, Store
from stepdown.tour import STORE as TOUR_STORE
from stepdown.tour import Way, copy_to, read_study
from stepdown.types import Chain, Messages, Sampling
from stepdown.web import State

WEIGHTS, LARGE, BASE, COUNT = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2-135m", 12
STUDENT, TEACHER = f"embedded/{WEIGHTS}", f"embedded/{LARGE}"
CASCADES = ("wordsums-2/test", "sums")  # of real planners, and of the script
METHODS = ("direct", "chain-of-thought", "trace-of-thought")
EASY = "wordsums-2"
STORE, CORPUS, SAMPLED, STUDY = "stepdown.sqlite", "wordsums-chains", "sampled-chains", "one-chain-or-four"
CONFIG = f'[models.solver]\nmethod = "trace-of-thought"\nteacher = "{STUDENT}"\nstudent = "{STUDENT}"\n'
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
RUBRIC = """
[[criteria]]
name = "reasons"
ask = "Does each step say why it is taken?"

[[criteria]]
name = "plain"
ask = "How easy is the solution to follow for a child of ten?"
scale = 5
"""
WHOLE = ("compare", "cascade", "served", "study")
LAST_STEP = "Write the answer as a number alone."
BOTH = "&method=chain-of-thought&method=trace-of-thought"
MODEL_PATIENCE = 300_000  # milliseconds; a model of this machine is loaded and writes a few solutions


def stepdown(folder: Path, *words: str) -> None:
    """Run a command in the folder."""
    subprocess.run([sys.executable, "-m", "stepdown", *words, "--store", STORE], cwd=folder, check=True)


def fill(folder: Path) -> None:
    """Fill a folder with runs, a cascade and a study, of real replies where the weights are here."""
    (folder / "stepdown.toml").write_text(CONFIG)
    if missing := [name for name in (WEIGHTS, LARGE, BASE) if fetched(name) is None]:
        print(f"`{missing[0]}` is not here (`stepdown models get {missing[0]}`): a script stands in", file=sys.stderr)
        fill_scripted(folder)
        return
    run = ["run", "wordsums", "-n", str(COUNT), "--student", STUDENT, "--max-tokens", "400"]
    stepdown(folder, *run, *(word for name in METHODS for word in ("--method", name)), "--plans", "gold")
    easy = ["run", EASY, "-n", str(COUNT), "--student", STUDENT, "--max-tokens", "240"]
    planned = [*easy, "--method", "trace-of-thought", "--teacher"]
    stepdown(folder, *planned, STUDENT, "--samples", "3", "--temperature", "0.7")
    stepdown(folder, *planned, TEACHER)
    short = ["--max-tokens", "160"]
    chains = ["sample", EASY, "-n", "16", "--teacher", TEACHER, "--chains", "4", *short]
    stepdown(folder, *chains, "--out", SAMPLED)
    grid = ["--chains", "1", "--chains", "4", "--targets", "chain", "--keep", "right", "--seeds", "2"]
    small = ["--base", BASE, "--test", EASY, "-n", "16", "--steps", "24", "--batch", "8", "--dev-count", "4"]
    stepdown(folder, "study", SAMPLED, *grid, *small, *short, "--out", f"students/{STUDY}")


def fill_scripted(folder: Path) -> None:
    """Do the same with a model that takes the last number it is told for the answer."""
    student = sd.ScriptedModel(last_number, "scripted/last-number")
    with Store(folder / STORE) as store:
        for method in METHODS:
            problems = sd.load_problems("wordsums", split="test", limit=COUNT)
            sd.run(problems, method, student=student, plans="gold", store=store)
        two_runs(store, 3)


def serve_cascade(folder: Path) -> None:
    """Serve the cascade of the two planners, at the threshold that its calibration chooses."""
    with Store(folder / STORE) as store:
        cheap, dear = planners(store)
        found = calibrate(cheap, dear, Goal(accuracy=reached(store)))
    (folder / "stepdown.toml").write_text(f"{CONFIG}\n{found.to_toml()}")


def reached(store: Store) -> float:
    """Return the highest share that some threshold of the cascade surely reaches, rounded down."""
    cheap, dear = planners(store)
    return floor(1000 * max(row.low for row in calibrate(cheap, dear, Goal(accuracy=0.5)).rows)) / 1000


def planners(store: Store) -> list[Run]:
    """Return the runs of a cascade: by the small planner's plans, and by the large one's."""
    runs = [run for run in store.runs() if run.settings.plans == "teacher" and run.settings.dataset in CASCADES]
    return sorted(runs, key=lambda run: run.settings.samples == 1)[:2]


def first_runs(store: Store) -> dict[str, Run]:
    """Return the runs of the three methods: the first ones, as pictures, served calls and a study add others."""
    runs: dict[str, Run] = {}
    for run in store.runs():
        if run.settings.method in METHODS and run.settings.plans in {"", "gold"}:
            runs.setdefault(run.settings.method, run)
    return runs


def gather(folder: Path) -> None:
    """Make a corpus of what the runs wrote: a chain by each method for each problem."""
    with Store(folder / STORE) as store:
        runs = first_runs(store).values()
        graded = [(run, trace, grade) for run in runs for trace, grade in run.graded() if trace.solution]
    card = Card(dataset="wordsums", origin="three runs", licence="Apache-2.0")
    with CorpusWriter(folder / CORPUS, card=card) as writer:
        for run, trace, grade in sorted(graded, key=lambda one: one[1].problem.id):
            used = trace.tokens("student")
            settings, text = run.settings, trace.solution or ""
            count = used.output if used else None
            writer.add(Chain(trace.problem, text, settings.student, 0, grade, tokens=count, variant=settings.method))


def last_number(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Conclude with the last number of what was asked."""
    return f"The last number is it.\nAnswer: {(re.findall(r'[0-9]+', messages[-1].content) or ['0'])[-1]}"


class Subjects(msgspec.Struct, frozen=True):
    """What the pictures are of: runs by method, a problem that plans did not save, a cascade and what it reaches."""

    runs: dict[str, str]
    problem: str
    planned: list[str]
    accuracy: float

    def addresses(self) -> dict[str, str]:
        """Return the address of each picture by its name."""
        traced = self.runs["trace-of-thought"]
        compared = "&".join(f"run={name}" for name in self.runs.values())
        return {
            "runs": "/",
            "new": "/new?dataset=wordsums&method=trace-of-thought&student=" + STUDENT + "&plans=gold",
            "run": f"/runs/{traced}",
            "trace": f"/runs/{traced}/traces/{self.problem}",
            "queue": f"/runs/{traced}/queue",
            "compare": f"/compare?{compared}&baseline={self.runs['chain-of-thought']}",
            "matrix": f"/matrix?{compared}",
            "pair": f"/runs/{self.runs['chain-of-thought']}/solved/{self.problem}?by={traced}",
            "corpora": "/corpora",
            "corpus": f"/corpora/{CORPUS}?problem=2&filters=right+distinct+per-problem%3D2",
            "reviews": "/reviews",
            "audit": f"/runs/{traced}/audit",
            "cascade": f"/cascade?cheap={self.planned[0]}&dear={self.planned[1]}&accuracy={self.accuracy}",
            "train": "/studies",
            "served": "/served",
            "plan": f"/runs/{traced}/plans/{self.problem}",
            "votes": f"/votes/{self.runs['chain-of-thought']}/{traced}",
            "marks": f"/marks/{traced}",
            "search": f"/runs/{traced}?text=answer&steps=2-",
        }


def subjects(folder: Path) -> Subjects:
    """Find them in the store."""
    with Store(folder / STORE) as store:
        runs = first_runs(store)
        return Subjects(
            {name: run.id for name, run in runs.items()},
            wrong_problem(runs["trace-of-thought"]),
            [run.id for run in planners(store)],
            reached(store),
        )


def wrong_problem(run: Run) -> str:
    """Return the first problem a run has wrong, or else its first."""
    graded = list(run.graded())
    wrong = [trace for trace, grade in graded if grade.verdict == "wrong"]
    return (wrong or [trace for trace, _ in graded])[0].problem.id


def take(page: Page, path: Path, *, whole: bool) -> None:
    """Take one picture, once what the page fetches is there."""
    page.wait_for_load_state("load")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.screenshot(path=path, full_page=whole, animations="disabled", caret="initial")
    shrink(path)


def shrink(path: Path) -> None:
    """Save a picture with 256 colours, where Pillow is installed."""
    if find_spec("PIL") is None:
        return
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


@contextmanager
def waiting(folder: Path) -> Iterator[None]:
    """Hold plans for review while the pictures are taken, by a run that waits for a person."""
    command = [sys.executable, "-m", "stepdown", "run", "wordsums", "-n", "2", "--method", "trace-of-thought"]
    command += ["--student", STUDENT, "--plans", "gold", "--max-tokens", "400", "--review", "--store", STORE]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield
        finally:
            child.kill()


def set_going(site: str, traced: str) -> dict[str, str]:
    """Start a run and solve a problem again from the pages; return the addresses of what is seen of both."""
    if fetched(WEIGHTS) is None:
        return {}
    with chromium() as browser, watched(browser, site) as seen:
        page = seen.open(traced.replace("/traces/", "/plans/"))
        if page.locator(".rows textarea").last.input_value() != LAST_STEP:
            page.get_by_role("button", name="Add a step").click()
            page.locator(".rows textarea").last.fill(LAST_STEP)
        page.locator(".plan-editor [name=why]").fill("the solution went on after its answer")
        page.get_by_role("button", name="Solve again").click()
        page.locator("#solving .flip").wait_for(timeout=MODEL_PATIENCE)
        page.reload()
        solved = page.get_by_role("link", name="Old and new").first.get_attribute("href") or ""
        page = seen.open(f"/new?dataset=wordsums&limit={COUNT}&max_tokens=320&plans=gold&student={STUDENT}" + BOTH)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#job td.tight").first).to_have_text(
            re.compile(r"\s*([3-9]|1\d) /"), timeout=MODEL_PATIENCE
        )
        ask_endpoint(site)
        return {"job": urlsplit(page.url).path, "solved": solved, "jobs": "/jobs", "study": f"/studies/{STUDY}"}


def ask_endpoint(site: str) -> None:
    """Ask the served method and the cascade a few questions, as a client would."""
    for problem in sd.load_problems(EASY, split="train", limit=4):
        for name in ("solver", "cascade"):
            body = json.dumps({"model": name, "messages": [{"role": "user", "content": problem.question}]}).encode()
            asked = urllib.request.Request(f"{site}/v1/chat/completions", body, {"content-type": "application/json"})
            with urllib.request.urlopen(asked, timeout=MODEL_PATIENCE / 1000) as answer:
                answer.read()


def take_all(site: str, addresses: dict[str, str], out: Path) -> None:
    """Take every page in both schemes, wide and on a narrow screen."""
    with chromium() as browser:
        for scheme in SCHEMES:
            with (
                watched(browser, site, scheme=scheme, width=1400) as wide,
                watched(browser, site, scheme=scheme, width=360) as thin,
            ):
                for seen in (wide, thin):
                    page = seen.open(addresses["marks"])
                    page.locator("[name=rater]").fill("Anna")
                    page.get_by_role("button", name="Begin").click()
                for name, address in addresses.items():
                    take(wide.open(address), out / f"{name}-{scheme}.png", whole=name in WHOLE)
                    take(thin.open(address), out / f"{name}-narrow-{scheme}.png", whole=False)
                for complaint in (*wide.complaints, *thin.complaints):
                    print(f"{scheme}: {complaint}", file=sys.stderr)


def take_tour(out: Path) -> None:
    """Take the stop of `stepdown tour` at which a plan is mended."""
    with tempfile.TemporaryDirectory() as made:
        folder = copy_to(Path(made))
        way = Way.through(read_study(folder))

        def make() -> State:
            state = State(folder / TOUR_STORE)
            state.way = way
            return state

        with served(make) as site, chromium() as browser:
            for scheme in SCHEMES:
                with watched(browser, site, scheme=scheme, width=1400) as seen:
                    take(seen.open(way.stops[3].address), out / f"tour-{scheme}.png", whole=False)


def main() -> None:
    """Fill, serve and take."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("screenshots"))
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="stepdown-screenshots-"))
    folder.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    if not (folder / STORE).exists():
        fill(folder)
    if not (folder / CORPUS).exists():
        gather(folder)
    serve_cascade(folder)
    (folder / "clear.toml").write_text(RUBRIC)
    with Store(folder / STORE) as store:
        marked = first_runs(store)["trace-of-thought"].id
    stepdown(folder, "marks", marked, "--rubric", "clear.toml")
    began = time.monotonic()
    corpora = [word for name in (CORPUS, SAMPLED) if (folder / name).exists() for word in ("--corpus", name)]
    with waiting(folder), serving(folder, "--store", STORE, *corpora) as site:
        addresses = subjects(folder).addresses()
        take_all(site, addresses | set_going(site, addresses["trace"]), given.out)
    take_tour(given.out)
    size = sum(path.stat().st_size for path in given.out.glob("*.png"))
    print(f"{len(list(given.out.glob('*.png')))} pictures, {size / 1e6:.2f} MB, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
