"""A decoder from its configuration and its tensors, whatever form they came in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from luoxia.core.errors import MalformedFileError
from luoxia.core.runtime import Runtime
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.nn.kernels import Team
from luoxia.nn.lowbit import BlockEmbedding, BlockLinear
from luoxia.weights.blocks import Blocks

Tensors = dict[str, Tensor | Blocks]

MAX_CONTEXT = 1 << 22  # tokens; the table of rotary angles is made for all of them


def assemble(
    config: GPTConfig, tensors: Tensors, runtime: Runtime, *, source: str, team: Team | None = None
) -> GPT:
    """A :class:`GPT` in evaluation mode with every tensor in its place.

    Matrices that come as :class:`Blocks` stay so; the others take ``runtime.dtype`` on an accelerator and float32
    on a CPU. Missing, surplus or misshapen tensors, and sizes
    that cannot be meant, raise :class:`MalformedFileError`.
    """
    model = _empty(config, len(tensors), source)
    wanted = {name: tuple(p.shape) for name, p in model.named_parameters()}
    _compare(wanted, tensors, source)
    team = team or Team(runtime.threads)
    dtype = torch.float32 if runtime.device.type == "cpu" else runtime.dtype
    floats: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, Blocks):
            place, _, _ = name.rpartition(".")
            bias = tensors.get(f"{place}.bias")
            assert bias is None or isinstance(bias, Tensor)
            owner, _, leaf = place.rpartition(".")
            setattr(
                model.get_submodule(owner),
                leaf,
                _block_module(model.get_submodule(place), tensor, bias, team, runtime),
            )
        else:
            floats[name] = tensor.to(runtime.device, dtype)
    for place, module in model.named_modules():
        if isinstance(module, BlockLinear):
            floats.pop(f"{place}.bias", None)
    model.load_state_dict(floats, strict=False, assign=True)
    left = [name for name, p in model.named_parameters() if p.is_meta]
    assert not left, left
    model.compute = runtime.dtype if any(isinstance(t, Blocks) for t in tensors.values()) else None
    return model.requires_grad_(False).eval().to(runtime.device)


def _empty(config: GPTConfig, n_tensors: int, source: str) -> GPT:
    """The network without weights. Its sizes are what a stranger wrote, and loops and tables are as long as they say."""
    for name, value, limit in (
        ("n_layer", config.n_layer, n_tensors),
        ("block_size", config.block_size, MAX_CONTEXT),
    ):
        if value > limit:
            raise MalformedFileError(
                f"{source} states {name} {value}, more than {limit}",
                f"{source} 中 {name} 为 {value}，超过 {limit}",
            )
    try:
        with torch.device("meta"):
            return GPT(config)
    except (RuntimeError, TypeError) as error:  # torch says so of sizes whose product no number holds
        raise MalformedFileError(
            f"{source} states sizes that no memory holds", f"{source} 中的尺寸超出任何内存"
        ) from error


def _block_module(
    module: nn.Module, blocks: Blocks, bias: Tensor | None, team: Team, runtime: Runtime
) -> nn.Module:
    if isinstance(module, nn.Embedding):
        return BlockEmbedding(blocks.data, blocks.form, team, runtime.dtype)
    return BlockLinear(blocks.data, blocks.form, team, runtime.dtype, None if bias is None else bias.float())


def _compare(wanted: dict[str, tuple[int, ...]], tensors: Tensors, source: str) -> None:
    def shape(t: Tensor | Blocks) -> tuple[int, ...]:
        return (t.data.shape[0], t.data.shape[1] * 32) if isinstance(t, Blocks) else tuple(t.shape)

    missing, surplus = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    odd = [n for n in wanted.keys() & tensors.keys() if shape(tensors[n]) != wanted[n]]
    for names, en, zh in (
        (missing, "lacks", "缺少"),
        (surplus, "has tensors its configuration has no place for:", "含有配置中没有的张量："),
        (odd, "has tensors of the wrong shape:", "含有形状不符的张量："),
    ):
        if names:
            some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
            raise MalformedFileError(
                f"{source} {en} {some} ({len(names)} in all)", f"{source} {zh} {some}（共 {len(names)} 个）"
            )
