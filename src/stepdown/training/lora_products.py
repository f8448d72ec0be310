"""LoRA's layers as one function of autograd each: the products alone, without what lies between them."""

from functools import cache
from typing import Any


def use_lora_products(model: Any) -> None:
    """Have the LoRA layers of a peft model add their adapter's product to their own in one step of autograd.

    h = W x + (alpha / r) B A x (Hu et al. 2022, section 4.1), W frozen: the scaling and the sum are part of products,
    forward and backward. Left as peft computes them are layers other than `torch.nn.Linear` and adapters with dropout
    or weights of their own besides (DoRA, a bias), and every layer while its adapter is disabled or merged, or while
    autocast computes in other numbers than those of its weights.
    """
    for layer in model.modules():
        if hasattr(layer, "lora_A") and _is_plain(layer):
            layer.__class__ = _layer()


def _is_plain(layer: Any) -> bool:
    import torch
    from peft.tuners.lora import Linear

    if type(layer) is not Linear or type(layer.base_layer) is not torch.nn.Linear or len(layer.lora_A) != 1:
        return False
    [name] = layer.lora_A
    adapter = (layer.lora_A[name], layer.lora_B[name])
    return (
        name not in layer.lora_variant
        and isinstance(layer.lora_dropout[name], torch.nn.Identity)
        and all(type(one) is torch.nn.Linear and one.bias is None for one in adapter)
        and not layer.base_layer.weight.requires_grad
    )


@cache
def _layer() -> Any:
    # Torch and peft are loaded by who trains.
    import torch
    from peft.tuners.lora import Linear
    from torch.autograd.function import once_differentiable

    class LoraProducts(torch.autograd.Function):  # type: ignore[misc]
        """W x + s B A x: `x` (..., in), `weight` (out, in), `down` (r, in), `up` (out, r), `scaling` s."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, bias: Any, down: Any, up: Any, scaling: float) -> Any:
            rows, ctx.scaling, ctx.dtype = x.flatten(0, -2), scaling, down.dtype
            down, up = down.to(x.dtype), up.to(x.dtype)
            low = rows @ down.t()
            ctx.save_for_backward(rows, weight, down, up, low)
            of_rows = torch.nn.functional.linear(rows, weight, bias).addmm_(low, up.t(), alpha=scaling)
            return of_rows.unflatten(0, x.shape[:-1])

        @staticmethod
        @once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, gradient: Any) -> Any:
            rows, weight, down, up, low = ctx.saved_tensors
            above = gradient.flatten(0, -2)
            lower = scaled(above, up, ctx.scaling)
            of_down = (lower.t() @ rows).to(ctx.dtype)
            # On a CPU a wide product of a narrow one takes half the time of a narrow product of a wide one.
            of_up = scaled(low.t(), above, ctx.scaling).t().to(ctx.dtype, memory_format=torch.contiguous_format)
            if not ctx.needs_input_grad[0]:
                return None, None, None, of_down, of_up, None
            of_rows = (above @ weight).addmm_(lower, down)
            return of_rows.unflatten(0, gradient.shape[:-1]), None, None, of_down, of_up, None

    def scaled(one: Any, other: Any, scaling: float) -> Any:
        return torch.addmm(one.new_empty(()), one, other, beta=0, alpha=scaling)

    class LinearByProducts(Linear):  # type: ignore[misc]
        """peft's layer, with its own forward wherever there is more to it than two products and their sum."""

        def forward(self, x: Any, *args: Any, **options: Any) -> Any:
            base, device = self.base_layer, x.device.type
            # Autocast that computes in other numbers than the base's casts its weights anew each time.
            cast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) != base.weight.dtype
            alone = self.active_adapters == list(self.lora_A) and not (self.disable_adapters or self.merged)
            if args or options or cast or not alone:
                return super().forward(x, *args, **options)
            [name] = self.lora_A
            adapter = (self.lora_A[name].weight, self.lora_B[name].weight)
            return LoraProducts.apply(x.to(base.weight.dtype), base.weight, base.bias, *adapter, self.scaling[name])

    return LinearByProducts
