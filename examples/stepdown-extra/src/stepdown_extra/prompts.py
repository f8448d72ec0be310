"""A prompt set: the question and one short line, for the methods that ask once."""

from stepdown import PromptSet

_LINE = "{question} Be brief. {ending}"

TERSE = PromptSet(
    name="terse",
    source="stepdown-extra",
    words={"direct": {"solve": _LINE}, "chain-of-thought": {"solve": _LINE}, "restate": {"solve": _LINE}},
    endings={"number": "End with `Answer:` and the number."},
)
