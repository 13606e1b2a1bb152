"""CLIP: pictures and texts as unit vectors of one space, near each other where one describes the other.

Radford et al. 2021, *Learning Transferable Visual Models From Natural Language Supervision* (arXiv:2103.00020): an image
tower, a text transformer whose output at the end token stands for the text, a linear map of each into D dimensions, and

    logit(i, t) = exp(logit_scale) <image_i, text_t>                                              (figure 3)

One configuration covers the shapes that OpenAI published, and small ones for pictures of 64 pixels. The image tower is
a vision transformer (Dosovitskiy et al. 2021) or a convolutional network.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from luoxia.nn.encoder import Activation, EncoderBlock

FIRST_SCALE, LARGEST_SCALE = math.log(1 / 0.07), math.log(100)  # of logit_scale (section 2.5)
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class CLIPConfig:
    """``size`` pixels of a side, ``patch`` those of a ViT's patch; widths, layers and heads of the image tower and, with
    ``text_``, of the text tower, which reads up to ``block_size`` tokens and takes its vector at the first ``end``;
    ``n_out`` = D.

    ``network`` "conv" has stages of ``width`` / 4, / 2, 1 and 2 times ``width`` channels with ``n_layer`` blocks in all.
    Pictures come in [-1, 1]; the towers see (x' - mean) / std of x' in [0, 1].
    """

    vocab_size: int = 4096
    block_size: int = 32
    end: int = 2
    network: Literal["vit", "conv"] = "vit"
    size: int = 64
    patch: int = 8
    n_embd: int = 192
    n_layer: int = 6
    n_head: int = 3
    n_ff: int | None = None
    text_n_embd: int = 192
    text_n_layer: int = 4
    text_n_head: int = 3
    text_n_ff: int | None = None
    n_out: int = 192
    activation: Activation = "gelu"
    text_activation: Activation | None = None  # where it differs from that of the image tower
    norm_eps: float = 1e-5
    text_norm_eps: float = 1e-5
    mean: Colour = (0.5, 0.5, 0.5)
    std: Colour = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        for field in ("mean", "std"):
            object.__setattr__(self, field, tuple(getattr(self, field)))  # JSON gives lists
        if self.network not in ("vit", "conv"):
            raise ValueError(f"network is {self.network!r}; give vit or conv")
        for field, value in dataclasses.asdict(self).items():
            if isinstance(value, int) and value < (0 if field == "end" else 1):
                raise ValueError(f"{field} is {value}; it must be at least 1")
        if self.network == "vit" and self.size % self.patch:
            raise ValueError(f"pictures of {self.size} pixels are not whole patches of {self.patch}")
        if self.network == "conv" and (self.n_embd % 4 or self.size < 16):
            raise ValueError(
                f"a convolutional tower has a width of a multiple of 4, not {self.n_embd}, and 16 pixels at least"
            )
        if min(self.std) <= 0 or len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError(f"mean {self.mean} and std {self.std} do not normalise three colours")

    @property
    def tokens(self) -> int:
        """Of a picture in a ViT, its class token included."""
        return (self.size // self.patch) ** 2 + 1

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


class VisionTransformer(nn.Module):
    """x (B, 3, H, W), normalised -> (B, C), the class token after the last block."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        c = config
        self.patch = nn.Conv2d(3, c.n_embd, c.patch, c.patch, bias=False)
        self.cls = nn.Parameter(torch.empty(c.n_embd))
        self.wpe = nn.Parameter(torch.empty(c.tokens, c.n_embd))
        self.norm_in = nn.LayerNorm(c.n_embd, c.norm_eps)
        self.blocks = nn.ModuleList(
            EncoderBlock(
                c.n_embd,
                c.n_head,
                c.n_ff or 4 * c.n_embd,
                activation=c.activation,
                norm_eps=c.norm_eps,
            )
            for _ in range(c.n_layer)
        )
        self.norm = nn.LayerNorm(c.n_embd, c.norm_eps)

    @property
    def features(self) -> int:
        return self.cls.numel()

    def forward(self, x: Tensor) -> Tensor:
        side = self.patch.kernel_size[0]
        batch, _, height, width = x.shape
        # Patches do not overlap: a product of matrices, which is faster than a convolution of large strides.
        cut = x.reshape(batch, 3, height // side, side, width // side, side).permute(0, 2, 4, 1, 3, 5)
        patches = F.linear(cut.reshape(batch, -1, 3 * side * side), self.patch.weight.flatten(1))
        x = torch.cat([self.cls.to(patches.dtype).expand(batch, 1, -1), patches], 1) + self.wpe  # (B, T, C)
        x = self.norm_in(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, 0])

    @torch.no_grad()
    def initialise(self) -> None:
        width = self.features
        nn.init.normal_(self.patch.weight, std=(3 * self.patch.kernel_size[0] ** 2) ** -0.5)
        nn.init.normal_(self.cls, std=width**-0.5)
        nn.init.normal_(self.wpe, std=width**-0.5)
        for block in self.blocks:
            cast(EncoderBlock, block).initialise(len(self.blocks))


class _Residual(nn.Module):
    """x + conv(gelu(conv(norm(x)))), norm over the channels of each pixel; the last convolution begins at 0."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.second(F.gelu(self.first(h)))


class ConvNet(nn.Module):
    """x (B, 3, H, W), normalised -> (B, 2 C): residual blocks at a quarter, an eighth, ... of the side; then the mean."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        channels = [config.n_embd // 4, config.n_embd // 2, config.n_embd, 2 * config.n_embd]
        self.stem = nn.Conv2d(3, channels[0], 4, 2, 1)
        stages: list[nn.Module] = []
        for stage, width in enumerate(channels):
            if stage:
                stages.append(nn.Conv2d(channels[stage - 1], width, 2, 2))
            count = (config.n_layer + stage) // 4  # of blocks, the deeper stages first
            stages += [_Residual(width, config.norm_eps) for _ in range(count)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(channels[-1], config.norm_eps)

    @property
    def features(self) -> int:
        return self.norm.normalized_shape[0]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x.contiguous(memory_format=torch.channels_last)))
        return self.norm(x.mean((2, 3)))

    @torch.no_grad()
    def initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, _Residual):
                nn.init.zeros_(module.second.weight)


class TextTransformer(nn.Module):
    """ids (B, T) -> (B, C) at each row's first end token; causal, so that what follows it does not matter."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        c = config
        self.end = c.end
        self.wte = nn.Embedding(c.vocab_size, c.text_n_embd)
        self.wpe = nn.Parameter(torch.empty(c.block_size, c.text_n_embd))
        self.blocks = nn.ModuleList(
            EncoderBlock(
                c.text_n_embd,
                c.text_n_head,
                c.text_n_ff or 4 * c.text_n_embd,
                causal=True,
                activation=c.text_activation or c.activation,
                norm_eps=c.text_norm_eps,
            )
            for _ in range(c.text_n_layer)
        )
        self.norm = nn.LayerNorm(c.text_n_embd, c.text_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        last = (ids == self.end).int().argmax(1)  # the first of equal values
        return self.norm(x.gather(1, last[:, None, None].expand(-1, 1, x.shape[2]))[:, 0])

    @torch.no_grad()
    def initialise(self) -> None:
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe, std=0.01)
        for block in self.blocks:
            cast(EncoderBlock, block).initialise(len(self.blocks))


class CLIP(nn.Module):
    """Both towers, the maps into the common space, and ``logit_scale`` (1,), the logarithm of the inverse temperature."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.image = VisionTransformer(config) if config.network == "vit" else ConvNet(config)
        self.text = TextTransformer(config)
        self.image_out = nn.Linear(self.image.features, config.n_out, bias=False)
        self.text_out = nn.Linear(config.text_n_embd, config.n_out, bias=False)
        self.logit_scale = nn.Parameter(torch.full((1,), FIRST_SCALE))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        self.image.initialise()
        self.text.initialise()
        for layer in (self.image_out, self.text_out):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        self.logit_scale.fill_(FIRST_SCALE)

    def encode_image(self, x: Tensor) -> Tensor:
        """x (B, 1 or 3, H, W) in [-1, 1] with H = W = ``config.size`` -> (B, D) float32 of length 1."""
        c = self.config
        if x.shape[2:] != (c.size, c.size):
            raise ValueError(
                f"pictures are {tuple(x.shape[2:])}; this CLIP looks at {c.size} x {c.size} pixels"
            )
        # (x / 2 + 1/2 - mean) / std
        gain = torch.tensor([0.5 / s for s in c.std], device=x.device)[:, None, None]
        offset = torch.tensor([(0.5 - m) / s for m, s in zip(c.mean, c.std, strict=True)], device=x.device)
        x = x.expand(-1, 3, -1, -1) * gain + offset[:, None, None]
        return F.normalize(self.image_out(self.image(x)).float(), dim=-1)

    def encode_text(self, ids: Tensor) -> Tensor:
        """ids (B, T), T up to ``config.block_size``, each row with an end token -> (B, D) float32 of length 1.

        Columns behind the last end token are not looked at.
        """
        longest = int((ids == self.config.end).int().argmax(1).max()) + 1
        return F.normalize(self.text_out(self.text(ids[:, :longest])).float(), dim=-1)

    def forward(self, x: Tensor, ids: Tensor, chunks: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of pictures and of texts, (B, D) each, and exp(logit_scale) (1,).

        With ``chunks`` the batch goes through the towers in as many parts, and what the backward pass needs of a part is
        computed again when its turn comes: the memory of one part, the vectors of all (Chen et al. 2016).
        """
        if chunks == 1:
            return self.encode_image(x), self.encode_text(ids), self.logit_scale.exp()

        def each(encode: Any, whole: Tensor) -> Tensor:
            parts = whole.chunk(chunks)
            return torch.cat([checkpoint(encode, part, use_reentrant=False) for part in parts])

        return each(self.encode_image, x), each(self.encode_text, ids), self.logit_scale.exp()

    @torch.no_grad()
    def bound_scale(self) -> None:
        """Keep exp(logit_scale) from 1 to 100 (section 2.5)."""
        self.logit_scale.clamp_(0.0, LARGEST_SCALE)
