"""Next tokens are read where each row ends, of what lies together in memory."""

from small_students import TRAINS, small_model
from stepdown.models.local import last_place
from stepdown.training.writing import answering, write_draws

pytestmark = TRAINS


def test_what_the_head_reads_of_several_rows_lies_together_and_its_scores_are_the_last() -> None:
    import torch

    model, tokens = small_model().eval(), torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    seen = list[bool]()
    model.lm_head.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous()))
    with torch.no_grad():
        sliced = model(input_ids=tokens, logits_to_keep=1).logits
        found = model(input_ids=tokens, logits_to_keep=last_place(model.device)).logits
    # The premise: the slice that a number stands for does not.
    assert seen == [False, True]
    assert found.shape == (2, 1, model.config.vocab_size) and torch.allclose(found, sliced, atol=1e-6)


def test_a_student_that_writes_several_texts_copies_no_head() -> None:
    model, seen = small_model(), list[tuple[int, bool]]()
    model.lm_head.register_forward_pre_hook(lambda _, given: seen.append((len(given[0]), given[0].is_contiguous())))
    with answering(model):
        write_draws(model, [[5, 6, 7], [8, 9, 10]], longest=4, end=2)
    assert seen[0] == (2, True) and all(together for _, together in seen)
