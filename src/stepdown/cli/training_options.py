"""How a student is trained, as far as `train`, `study` and `taste` say it alike: types of options with their words."""

from typing import Annotated, Literal

from cyclopts import Parameter

from stepdown.cli.options import Flag

_RATE = "The highest rate; where not given, 5e-4 for LoRA and 2e-5 for --full"
_ALLOW = "Train although: `cut`, `unparseable`, `template`, `one-class`"

Rank = Annotated[int, Parameter(help="The rank of LoRA's matrices.")]
Full = Annotated[Flag, Parameter(help="Train all weights instead of LoRA's.")]
MaxLength = Annotated[int, Parameter(help="The longest question with its chain, in tokens.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    Parameter(help="`auto`: bf16 where the device has instructions for it, else fp32; or `fp32` or `bf16`."),
]
TrainingPrompts = Annotated[
    str,
    Parameter(
        help="The prompt set questions are asked in: `student` (the question alone) or `scotd` (the paper's form)."
    ),
]
# What `sft` takes, and with it what the other objectives do.
ChainRate = Annotated[float | None, Parameter(help=f"{_RATE}.")]
Rate = Annotated[float | None, Parameter(help=f"{_RATE}, with `dpo` 5e-5 and 1e-6, with `on-policy` 1e-4 and 2e-6.")]
AllowChains = Annotated[tuple[str, ...], Parameter(show_default=False, help=f"{_ALLOW}, or `test`.")]
Allow = Annotated[
    tuple[str, ...],
    Parameter(
        show_default=False,
        help=f"{_ALLOW}, `test`: on questions there to test on, or `weak-teacher`: by one that is no better than the "
        "student.",
    ),
]
