"""Packed rows are attended to alike by every kernel, and no mask is built that nobody reads."""

from typing import Any

import pytest

from small_students import TRAINS, small_model
from stepdown.training.attention import (
    LONG,
    SHORT,
    Kernel,
    attend_by_products,
    attend_padded,
    attend_rows,
    choose_kernel,
    has_varlen,
    use_block_diagonal_attention,
)

pytestmark = [pytest.mark.slow, *TRAINS]
ROWS = [
    (0, 7),
    (0, 5, 9, 2),
    (3, 5, 9, 2),
    (4, 6),
    (0, 1, 1),
    (3, 9, SHORT + 9),
    (3, LONG - 3, 2),
    (3, LONG - 2),
    (0, LONG - 1),
]


def parts(tokens: int) -> list[Any]:
    import torch

    torch.manual_seed(0)
    # Values may be narrower than keys.
    shapes = ((4, 8), (2, 8), (2, 6))
    return [torch.randn(1, heads, tokens, width, requires_grad=True) for heads, width in shapes]


def attended_alone(lengths: tuple[int, ...]) -> Any:
    """Each row with the shared start, by a mask of its own: what every kernel must come to."""
    import torch

    query, key, value = parts(sum(lengths))
    row_of = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    sees = (row_of[:, None] == row_of) | (row_of == 0)
    mask = sees & torch.ones_like(sees).tril()
    whole = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    return gradients(whole.transpose(1, 2), [query, key, value])


def gradients(output: Any, of: list[Any]) -> list[Any]:
    import torch

    return [output, *torch.autograd.grad((output * weights_of(output)).sum(), of)]


def weights_of(output: Any) -> Any:
    """Weights that make a number of an output."""
    import torch

    return torch.linspace(-1, 1, output.numel()).view_as(output)


@pytest.mark.parametrize("lengths", ROWS)
@pytest.mark.parametrize("attend", [attend_rows, attend_by_products, attend_padded])
def test_every_kernel_attends_to_rows_as_each_alone_would(attend: Any, lengths: tuple[int, ...]) -> None:
    given = parts(sum(lengths))
    found = gradients(attend(*given, lengths, scale=None, dropout=0.0), given)
    # Outputs, then gradients, which are sums over all rows.
    for one, other, bound in zip(found, attended_alone(lengths), (1e-6, 4e-6, 4e-6, 4e-6), strict=True):
        far, largest = (float(some.detach().abs().max()) for some in (one - other, other))
        assert one.shape == other.shape and far < bound * max(largest, 1.0)


@pytest.mark.parametrize("lengths", ROWS)
def test_products_in_bf16_are_as_near_to_exact_ones_as_the_attention_of_this_torch(lengths: tuple[int, ...]) -> None:
    import torch

    exact = attended_alone(lengths)

    def errors(attend: Any) -> list[float]:
        given = [part.detach().bfloat16().requires_grad_() for part in parts(sum(lengths))]
        with torch.autocast("cpu", torch.bfloat16):
            output = attend(*given, lengths, scale=None, dropout=0.0)
        assert output.dtype is torch.bfloat16
        found = [output, *torch.autograd.grad((output.float() * weights_of(output)).sum(), given)]
        return [
            float((one.float() - other).norm() / (other.norm() + 1e-6)) for one, other in zip(found, exact, strict=True)
        ]

    ours, theirs = errors(attend_by_products), errors(attend_rows)
    assert all(one < max(1.5 * other, 0.02) for one, other in zip(ours, theirs, strict=True)), (ours, theirs)


@pytest.mark.parametrize(("tokens", "by_pytorch"), [(LONG - 3, 0), (LONG - 2, 1)])
def test_only_rows_that_are_long_with_their_start_are_left_to_pytorch(
    tokens: int, by_pytorch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    calls: list[int] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def counted(*given: Any, **named: Any) -> Any:
        calls.append(1)
        return attend(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    query, key, value = parts(3 + tokens)
    attend_by_products(query, key, value, (3, tokens), scale=None, dropout=0.0)
    assert len(calls) == by_pytorch


@pytest.mark.parametrize(
    ("device", "half", "shared", "dropout", "varlen", "kernel"),
    [
        ("cpu", True, 0, 0.0, True, "products"),
        ("cpu", True, 5, 0.0, False, "products"),
        ("cpu", True, 0, 0.1, True, "rows"),
        ("cpu", False, 0, 0.0, True, "rows"),
        ("mps", True, 0, 0.0, True, "rows"),
        ("cuda", True, 0, 0.0, True, "varlen"),
        ("cuda", True, 0, 0.0, False, "padded"),
        ("cuda", False, 0, 0.0, True, "padded"),
        ("cuda", True, 5, 0.0, True, "padded"),
        ("cuda", True, 0, 0.1, True, "padded"),
    ],
)
def test_the_kernel_is_the_fastest_that_device_numbers_and_torch_allow(
    device: str, half: bool, shared: int, dropout: float, varlen: bool, kernel: Kernel
) -> None:
    assert choose_kernel(device, half=half, shared=shared, dropout=dropout, varlen=varlen) == kernel


def test_this_torch_is_asked_for_what_its_kernel_takes() -> None:
    # Torch has had the module since 2.10.
    varlen = pytest.importorskip("torch.nn.attention.varlen")

    assert has_varlen() == ("window_size" in (varlen.varlen_attn.__annotations__))


@pytest.mark.parametrize(("masked", "built"), [(False, 0), (True, 1)])
def test_no_mask_is_built_unless_it_is_asked_for(masked: bool, built: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import masking_utils

    calls: list[int] = []
    make = masking_utils.sdpa_mask

    def counted(*given: Any, **named: Any) -> Any:
        calls.append(1)
        return make(*given, **named)

    monkeypatch.setattr(masking_utils, "sdpa_mask", counted)
    model = small_model()
    use_block_diagonal_attention(model, masked=masked)
    places = torch.tensor([[0, 1, 2, 0, 1]])
    model(input_ids=places + 5, position_ids=places, row_lengths=[0, 3, 2], use_cache=False)
    assert len(calls) == built
