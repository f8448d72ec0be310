"""What did this text conclude? Numbers, LaTeX, choices and words, read without a look at the gold answer.

`conclusion` reads a solution, `same` compares two answers where that is cheap, `vote` is self-consistency
over several solutions, and `gold_number` and `gold_expression` read the worked solutions of GSM8K and MATH.
"""

from stepdown.answers.choices import letter
from stepdown.answers.conclusions import Conclusion
from stepdown.answers.equality import same_expression
from stepdown.answers.formulas_in_text import around, formulas
from stepdown.answers.instructions import ENUMERATOR, MENTION, bare, forbidding, without_forbidding
from stepdown.answers.latex import boxed, canonical, last_boxes
from stepdown.answers.leaks import Leak, is_given, leak
from stepdown.answers.meanings import several
from stepdown.answers.numbers_in_text import Number, number, numbers, spelled
from stepdown.answers.openings import given_away, opens_with
from stepdown.answers.sameness import same
from stepdown.answers.sentences import closing
from stepdown.answers.solutions import choice, conclusion, explicit, gold_expression, gold_number, majority, vote
from stepdown.answers.texts import final_line, plain_text
from stepdown.answers.unwrapping import unwrapped
from stepdown.answers.votes import Majority, groups, majority_indices

__all__ = [
    "ENUMERATOR",
    "MENTION",
    "Conclusion",
    "Leak",
    "Majority",
    "Number",
    "around",
    "bare",
    "boxed",
    "canonical",
    "choice",
    "closing",
    "conclusion",
    "explicit",
    "final_line",
    "forbidding",
    "formulas",
    "given_away",
    "gold_expression",
    "gold_number",
    "groups",
    "is_given",
    "last_boxes",
    "leak",
    "letter",
    "majority",
    "majority_indices",
    "number",
    "numbers",
    "opens_with",
    "plain_text",
    "same",
    "same_expression",
    "several",
    "spelled",
    "unwrapped",
    "vote",
    "without_forbidding",
]
