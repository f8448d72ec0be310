"""A study: the cells of its grid, the scores of their students, and what is written of them."""

import shutil
from pathlib import Path

import msgspec
import pytest

import stepdown as sd
from corpora import write_corpus
from stepdown.corpus import Card
from stepdown.corpus.card import read_card, write_card
from stepdown.errors import CallFailed, UnknownName, UsageError
from stepdown.models import ScriptedModel
from stepdown.models.weights import StudentCard
from stepdown.models.weights import read_card as read_student_card
from stepdown.stats import crossed_interval, mcnemar_exact, paired_interval, wilson
from stepdown.store import Run, Store
from stepdown.training.students.card_files import write_card as write_student_card
from stepdown.training.studies import (
    CellScore,
    StudyFindings,
    add_score_to_card,
    cell_score,
    compare_cells,
    compare_pairs,
)
from stepdown.training.study_grid import Cell, StudyGrid
from stepdown.training.study_tables import draw_scores, markdown, write_study
from stepdown.types import Chain, Grade, Messages, Problem, Sampling, StudyFile
from worlds import solver, sums

CELL = Cell(5, "random", "chain")
SCORE = CellScore(
    name="chain-n5-random", chains=5, by="random", target="chain", runs=("r0", "r1"), accuracies=(0.5, 0.25),
    mean=0.375, low=0.2, high=0.6, graded=8, total=10,
)  # fmt: skip


def grid(tmp_path: Path, **changed: object) -> StudyGrid:
    folder = tmp_path / "corpus"
    if not folder.exists():
        problems = [Problem(f"p/{place}", f"What is {place}?", str(place)) for place in range(4)]
        chains = (
            Chain(one, f"Thought {sample}.\nAnswer: {one.answer}", "t", sample, Grade("right", one.answer))
            for one in problems
            for sample in range(6)
        )
        write_corpus(folder, chains, card=Card(dataset="p/train"))
    return msgspec.structs.replace(StudyGrid(corpus=folder, out=tmp_path / "out"), **changed)


def solved(store: Store, right: set[int], *, failed: int = -1, count: int = 6, name: str = "s") -> Run:
    """Run problems of which some are solved rightly and one fails."""

    def script(messages: Messages, sampling: Sampling, sample: int) -> str | CallFailed:
        place = int(messages[-1].content.split()[2])
        if place == failed:
            return CallFailed("busy")
        return solver(messages, sampling, sample) if place in right else "Answer: 0"

    return sd.run(sums(count), "direct", student=ScriptedModel(script, name), store=store)


# --- the grid


def test_a_grid_is_every_target_by_every_choice_by_every_number(tmp_path: Path) -> None:
    cells = grid(tmp_path, chains=(1, 5), by=("random", "short"), targets=("chain", "filler")).cells()
    assert [cell.name for cell in cells] == [
        f"{target}-n{chains}-{by}" for target in ("chain", "filler") for by in ("random", "short") for chains in (1, 5)
    ]


def test_a_label_is_learned_once_and_all_chains_are_chosen_in_one_way(tmp_path: Path) -> None:
    cells = grid(tmp_path, chains=(1, 0), by=("random", "short"), targets=("chain", "label")).cells()
    names = [cell.name for cell in cells]
    assert names == ["chain-n1-random", "chain-all", "chain-n1-short", "label-n1-random"]
    assert [cell.method for cell in cells] == ["chain-of-thought"] * 3 + ["direct"]


def test_an_open_ended_choice_is_one_place_of_five_on_the_mean(tmp_path: Path) -> None:
    found = grid(tmp_path, chains=(1, 5, 0), by=("random", "open-ended"))
    cells = [cell for cell in found.cells() if cell.by == "open-ended"]
    assert [cell.name for cell in cells] == ["chain-n5-open-ended"] and cells[0].filters == ("open-ended",)
    assert len(list(found.view(cells[0], 0))) > 4


def test_a_corpus_beside_is_whole_a_place_of_its_own_for_each_target(tmp_path: Path) -> None:
    greedy = [Chain(Problem(f"p/{n}", f"What is {n}?", str(n)), f"Answer: {n}", "t", 0) for n in range(4)]
    write_corpus(tmp_path / "greedy", greedy, card=Card(dataset="p/train"))
    found = grid(tmp_path, chains=(1, 5), targets=("chain", "label"), beside=(tmp_path / "greedy",))
    found.check()
    names = [cell.name for cell in found.cells()]
    assert names == ["chain-n1-random", "chain-n5-random", "label-n1-random", "chain-greedy", "label-greedy"]
    assert len(list(found.view(found.cells()[3], 0))) == len(greedy) and len(found.corpora()) == 2


def test_two_corpora_of_one_name_beside_a_study_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have one name"):
        grid(tmp_path, beside=(tmp_path / "a" / "x", tmp_path / "b" / "x")).check()


def test_all_cells_of_a_seed_are_trained_before_the_next_seed(tmp_path: Path) -> None:
    found = grid(tmp_path, chains=(1, 5), seeds=2)
    assert [(cell.chains, seed) for cell, seed in found.places()] == [(1, 0), (5, 0), (1, 1), (5, 1)]
    folders = {found.folder(cell, seed) for cell, seed in found.places()}
    assert len(folders) == 4 and tmp_path / "out" / "chain-n5-random" / "seed-1" in folders


def test_each_seed_chooses_its_own_chains_and_the_same_again(tmp_path: Path) -> None:
    found = grid(tmp_path)
    cell = Cell(2, "random", "chain")
    first, again, other = ([chain.sample for chain in found.view(cell, seed)] for seed in (0, 0, 1))
    assert len(first) == 8 and first == again != other


def test_fewer_chains_are_among_the_more_of_the_same_seed(tmp_path: Path) -> None:
    found = grid(tmp_path, keep=("right",))
    views = [{(c.problem.id, c.sample) for c in found.view(Cell(n, "random", "chain"), 3)} for n in (1, 5, 0)]
    assert views[0] < views[1] < views[2] and len(views[2]) == 24


def test_places_that_learn_the_same_chains_are_named(tmp_path: Path) -> None:
    one, six, seven, label = (Cell(1, "random", "chain"), Cell(6, "random", "chain"), Cell(7, "random", "chain"),
                              Cell(1, "random", "label"))  # fmt: skip
    both = grid(tmp_path, chains=(1, 6, 7), targets=("chain", "label"))
    assert both.cells() == [one, six, seven, label] and both.alike() == [(seven, six)]
    whole = grid(tmp_path, chains=(1, 6, 0), beside=(shutil.copytree(both.corpus, tmp_path / "copy"),))
    assert [(cell.name, other.name) for cell, other in whole.alike()] == [
        ("chain-all", "chain-n6-random"),
        ("chain-copy", "chain-n6-random"),
    ]


def test_no_chain_is_read_to_compare_a_place_with_none(tmp_path: Path) -> None:
    found = grid(tmp_path, chains=(1,), targets=("chain", "label"))
    shutil.rmtree(found.corpus)
    with pytest.raises(UsageError):
        msgspec.structs.replace(found, chains=(1, 5)).alike()
    assert len(found.cells()) == 2 and found.alike() == []


def test_a_students_card_names_the_study_that_trained_it(store: Store, tmp_path: Path) -> None:
    file, other = StudyFile("5eed" * 16, "study.toml"), StudyFile("0dd5" * 16, "more.toml", ("--steps",))
    write_student_card(tmp_path, StudentCard(base="small"))
    for studies in ((), (file,), (StudyFile(file.sha256, "a copy of it.toml"),), (other,)):
        add_score_to_card(tmp_path, solved(store, {1, 2}), studies=studies)
    card = read_student_card(tmp_path)
    assert card is not None and card.studies == (file, other) and card.test[0].right == 2
    assert all(one.sha256 in (tmp_path / "README.md").read_text() for one in (file, other))


@pytest.mark.parametrize(
    "changed",
    [{"chains": ()}, {"chains": (-1,)}, {"by": ()}, {"targets": ()}, {"seeds": 0}, {"by": ("best",)}],
)
def test_a_grid_without_a_cell_or_with_an_unknown_choice_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        grid(tmp_path, **changed).check()


def test_unknown_targets_and_filters_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    grid(tmp_path).check()
    with pytest.raises(UnknownName, match="lable"):
        grid(tmp_path, targets=("lable",)).check()
    with pytest.raises(UnknownName, match="plan"):
        grid(tmp_path, targets=("plan",)).check()
    with pytest.raises(UnknownName, match="rigth"):
        grid(tmp_path, keep=("rigth",)).check()


def test_a_corpus_of_plans_is_no_study(tmp_path: Path) -> None:
    found = grid(tmp_path)
    write_card(found.corpus, msgspec.structs.replace(read_card(found.corpus), content="plan"))
    with pytest.raises(UsageError, match="holds plans"):
        found.check()


# --- scores


def test_a_score_is_the_mean_over_seeds_with_an_interval_over_seeds_and_problems(store: Store) -> None:
    runs = [solved(store, {0, 1, 2}, name="a"), solved(store, {1, 2, 3, 4}, name="b")]
    found = cell_score(CELL, runs)
    assert (found.accuracies, found.graded, found.total) == ((3 / 6, 4 / 6), 6, 6)
    assert found.mean == pytest.approx(7 / 12) and found.runs == (runs[0].id, runs[1].id)
    assert (found.low, found.high) == crossed_interval([[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 1, 0]])


def test_a_problem_that_one_seed_has_ungraded_counts_for_none(store: Store) -> None:
    runs = [solved(store, {0, 1, 2}, name="a"), solved(store, {1, 2}, failed=0, name="b")]
    found = cell_score(CELL, runs)
    assert (found.graded, found.total, found.accuracies) == (5, 6, (2 / 5, 2 / 5))


def test_nothing_graded_says_nothing(store: Store) -> None:
    found = cell_score(CELL, [solved(store, set(), failed=0, count=1)])
    assert (found.graded, found.total, found.low, found.high) == (0, 1, 0.0, 1.0)


def test_several_samples_count_by_their_vote_and_not_by_the_last(store: Store) -> None:
    def wavering(messages: Messages, sampling: Sampling, sample: int) -> str:
        return "Answer: 99" if sample == 2 else solver(messages, sampling, sample)

    warm = Sampling(temperature=0.7)
    run = sd.run(sums(4), "direct", student=ScriptedModel(wavering), sampling=warm, samples=3, store=store)
    found = cell_score(CELL, [run])
    assert (found.mean, found.graded, found.total) == (1.0, 4, 4)


def test_the_interval_of_one_seed_is_wilsons_over_problems_and_nothing_is_certain(store: Store) -> None:
    found = cell_score(CELL, [solved(store, set(range(6)))])
    assert (found.mean, found.low, found.high) == (1.0, *wilson(6, 6))
    findings = StudyFindings(base="b", test="t", scores=(found,))
    assert findings.over.startswith("over problems (one seed")
    assert "Intervals are over problems (one seed" in markdown(findings)


def test_a_run_that_did_not_end_shows_what_was_to_be_asked(store: Store) -> None:
    whole = solved(store, {0, 1})
    begun = store.open_run(msgspec.structs.replace(whole.settings, count=50))
    for place, trace in enumerate(whole.traces()):
        begun.put_trace(place, trace)
    assert cell_score(CELL, [begun]).total == 50


# --- one cell against another


ONE = Cell(1, "random", "chain")


def test_five_chains_are_tested_against_one_on_the_problems_both_have_graded(store: Store) -> None:
    few, more = solved(store, {0}, name="a"), solved(store, {0, 1, 2, 3}, failed=5, name="b")
    [found] = compare_cells({ONE: [few], CELL: [more]})
    assert (found.name, found.against, found.problems, found.seeds) == (CELL.name, ONE.name, 5, 1)
    assert (found.difference, found.low, found.high) == (3 / 5, *paired_interval(3, 0, 5))
    assert found.p == found.p_holm == mcnemar_exact(3, 0)


def test_a_cell_is_tested_against_the_one_it_differs_from_in_one_thing(store: Store) -> None:
    run = solved(store, {0})
    names = ["chain 1 random", "chain 5 random", "chain 0 ", "filler 1 random", "filler 5 random", "chain 1 short"]
    cells = [Cell(int(chains), by, target) for target, chains, by in (name.split(" ") for name in names)]
    found = compare_cells({cell: [run] for cell in cells})
    pairs = {one.name: one.against for one in found}
    assert pairs == {
        "chain-n5-random": "chain-n1-random", "chain-all": "chain-n1-random", "filler-n1-random": "chain-n1-random",
        "filler-n5-random": "filler-n1-random", "chain-n1-short": "chain-n1-random",
    }  # fmt: skip


def test_holm_adjusts_over_the_study_and_the_table_says_so(store: Store) -> None:
    few, more = solved(store, set(), name="a"), solved(store, set(range(6)), name="b")
    found = compare_cells({ONE: [few], CELL: [more], Cell(30, "random", "chain"): [more]})
    assert [one.p for one in found] == [mcnemar_exact(6, 0)] * 2 and found[0].p_holm == 2 * found[0].p
    page = markdown(StudyFindings(base="b", test="t", scores=(), compared=found))
    assert "| chain-n5-random | chain-n1-random | 6 | +100.0 [+" in page and "p (Holm)" in page


def test_every_two_places_are_compared_and_each_says_what_more_seeds_or_problems_bring(store: Store) -> None:
    few = [solved(store, {n}, name=f"few{n}") for n in range(2)]
    more = [solved(store, {0, 1, n}, name=f"more{n}") for n in (2, 3)]
    runs = {ONE: few, CELL: more, Cell(30, "random", "chain"): few[:1]}
    found = compare_pairs(runs)
    assert [(one.name, one.against) for one in found] == [
        (CELL.name, ONE.name), ("chain-n30-random", ONE.name), ("chain-n30-random", CELL.name),
    ]  # fmt: skip
    assert len(compare_cells(runs)) == 2 and found[1].twice_seeds is None
    twice = found[0].twice_seeds, found[0].twice_problems
    assert all(width is not None and 0 < width < found[0].half_width for width in twice)
    page = markdown(StudyFindings(base="b", test="t", scores=(), compared=found[:1], pairs=found))
    assert page.count("| chain-n5-random | chain-n1-random |") == 2 and "## Every two places" in page


def test_a_corpus_beside_is_compared_with_the_first_place_of_its_target(store: Store) -> None:
    run = solved(store, {0})
    beside = Cell(0, "", "chain", "greedy")
    found = compare_cells({Cell(1, "random", "filler"): [run], ONE: [run], CELL: [run], beside: [run]})
    assert {one.name: one.against for one in found}["chain-greedy"] == ONE.name


def test_places_without_a_graded_problem_in_common_are_not_tested(store: Store) -> None:
    failed = [solved(store, set(), failed=0, count=1, name=name) for name in "ab"]
    assert compare_cells({ONE: failed[:1], CELL: failed[1:]}) == compare_cells({ONE: [], CELL: failed}) == ()


# --- what is written


def test_the_table_shows_each_seed_the_interval_and_what_is_graded() -> None:
    page = markdown(StudyFindings(base="small", test="sums/test", scores=(SCORE,)))
    assert page.startswith("# small on sums/test\n")
    assert "| chain-n5-random | 2 | 50.0 25.0 | 37.5 [20.0, 60.0] | 8/10 |  |  |" in page
    trained = msgspec.structs.replace(SCORE, steps=40, tokens=12_000)
    assert "| 8/10 | 40 | 12,000 |" in markdown(StudyFindings(base="small", test="sums/test", scores=(trained,)))


def test_hostile_names_stand_in_the_table_as_words() -> None:
    hostile = msgspec.structs.replace(SCORE, name="a|b<script>")
    page = markdown(StudyFindings(base="[x](javascript:1)\n# big", test="t", scores=(), before=(hostile,)))
    assert "<script>" not in page and "\n# big" not in page and "[x](" not in page and r"a\|b" in page


def test_findings_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = StudyFindings(base="small", test="sums/test", scores=(SCORE,), before=(SCORE,))
    write_study(found, tmp_path / "new" / "out")
    assert msgspec.json.decode((tmp_path / "new" / "out" / "study.json").read_bytes(), type=StudyFindings) == found
    assert (tmp_path / "new" / "out" / "study.md").read_text() == markdown(found)


def test_the_curve_is_drawn_over_numbers_and_all(tmp_path: Path) -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    scores = [msgspec.structs.replace(SCORE, chains=chains) for chains in (0, 5, 1)]
    assert draw_scores(scores, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
