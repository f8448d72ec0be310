"""What is wrong with a command line is said in words of the house, with the help of the very command that was meant."""

import pytest

from stepdown.cli import main


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        ("tuor", "there is no verb `tuor`", "did you mean `tour`? `stepdown` alone lists the verbs"),
        ("help qqqqqq", "there is no verb `qqqqqq`", "hint: `stepdown` alone lists the verbs"),
        ("runs --nam x", "there is no option `--nam`; did you mean `--name`?", "`stepdown runs --help`"),
        ("tour --qqqqq", "there is no option `--qqqqq`\n", "`stepdown tour --help`"),
        ("traces x --where wrnog", "`--where` cannot be `wrnog`", "did you mean `wrong`? it takes `wrong`, `right`"),
        ("traces x --leaked maybe", "`--leaked` cannot be `maybe`", "it takes `yes`, `no`\n"),
        ("completion tcsh", "`SHELL` cannot be `tcsh`", "it takes `bash`, `zsh`, `fish`"),
        ("runs rename base", "`stepdown runs rename` needs `NAME`", "`stepdown runs rename --help`"),
        ("runs lebal x", "`stepdown runs` has no `lebal x`: it has `rename`, `tag`", "`stepdown runs --help`"),
        ("store nosuch", "`stepdown store` has no `nosuch`: it has `check`", "such as `stepdown store check`"),
        (
            "datasets more words",
            "`stepdown datasets` takes no more words, and was given `more words` too",
            "datasets --help",
        ),
        (
            "marks R --from a.csv b.csv",
            "no more words, and was given `b.csv` too",
            "give the option again: `--from b.csv`",
        ),
        ("prefer A B --where any C", "takes no more words, and was given `C` too", "hint: `stepdown prefer --help`"),
        (
            "run wordsums -n 1.5 --student s --temperature 0.5",
            "`-n` cannot be `1.5`",
            "it takes a whole number; `stepdown run",
        ),
        ("store check --jobs 1.5", "there is no option `--jobs`", "`stepdown store check --help`"),
        ("train x --out y --base z --seed=.5", "`--seed` cannot be `.5`", "a whole number; `stepdown train --help`"),
        ("run wordsums -n x --student s", "`-n` cannot be `x`", "it takes a whole number; `stepdown run --help`"),
    ],
)
def test_a_wrong_word_is_quoted_with_the_way_out(
    capsys: pytest.CaptureFixture[str], words: str, what: str, hint: str
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert what in said and hint in said and "Unknown" not in said
