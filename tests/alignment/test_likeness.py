"""How like a text is to the steps of a plan."""

from itertools import permutations

from stepdown.alignment.likeness import Likeness, features


def test_a_sum_of_weights_does_not_hang_on_the_order_of_a_set() -> None:
    likeness = Likeness(["Add the red pears and plums.", "Add the plums.", "Add all pears and halve the red ones."])
    terms = ["red", "pear", "plum", "add", "all", "halv"]
    assert len({likeness._weight(order) for order in permutations(terms)}) == 1
    assert len({sum(likeness._weight([term]) for term in order) for order in permutations(terms)}) > 1


def test_a_text_is_most_like_the_step_whose_words_it_has() -> None:
    likeness = Likeness(["Add the red pears.", "Halve the plums.", "Add the red pears."])
    one, other, same = likeness.of_each(features("Half of the plums: 8 / 2 = 4"))
    assert other > one == same
    assert likeness.of_each(features("nothing of it")) == [0.0, 0.0, 0.0]
