"""Next tokens are read where each row ends, of what lies together in memory."""

import torch

from small_students import small_model
from stepdown.models.local import last_place


def test_what_the_head_reads_of_several_rows_lies_together_and_its_scores_are_the_last() -> None:
    model, tokens = small_model().eval(), torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    seen = list[bool]()
    model.lm_head.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous()))
    with torch.no_grad():
        sliced = model(input_ids=tokens, logits_to_keep=1).logits
        found = model(input_ids=tokens, logits_to_keep=last_place(model.device)).logits
    # The premise: the slice that a number stands for does not.
    assert seen == [False, True]
    assert found.shape == (2, 1, model.config.vocab_size) and torch.allclose(found, sliced, atol=1e-6)
