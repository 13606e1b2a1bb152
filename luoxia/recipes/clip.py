"""CLIP: pictures and their captions in one space.

luoxia train clip --data icons
luoxia train clip --data icons --set network=conv     the judge of what is drawn: another architecture
luoxia train clip --data avatars --steps 1000
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.caption_table import CaptionTable
from luoxia.data.images import ImageSet
from luoxia.models.captions import END, CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.objectives.contrastive import contrastive_loss
from luoxia.objectives.phase import Draw, Loss, Phase
from luoxia.recipes.clip_study import CLIPStudy
from luoxia.train.engine import Training
from luoxia.train.settings import Settings

MOST_PATCHES = 32  # in a row; attention over more would take longer than all the rest


@dataclass(frozen=True)
class CLIPSettings(Settings):
    """``network`` of the image tower, "vit" or "conv"; ``width`` and ``layers`` of it, with ``text_`` of the text's.

    ``chunks``: the batch goes through the towers in so many parts, and the loss sees it whole. ``moved`` in [0, 1] shifts
    pictures by up to that share of an eighth of their side and scales them by up to that share of a fifth. ``chinese``
    is the share of pictures shown with their Chinese caption.
    """

    steps: int = 6_000
    batch_size: int = 256
    learning_rate: float = 1e-3
    warmup: int = 300
    cosine: bool = True
    clip: float = 1.0
    half_life: float = 20_000.0
    precision: str = "bf16"
    network: str = "vit"
    patch: int = 8
    width: int = 192
    layers: int = 6
    text_width: int = 192
    text_layers: int = 4
    embedding: int = 192
    tokens: int = 4_096
    length: int = 32
    chunks: int = 1
    moved: float = 0.5
    chinese: float = 0.5
    decay: float = 0.1


def build(
    settings: CLIPSettings, images: ImageSet, seed: int, facts: dict[str, Any] | None = None
) -> Training:
    """Both towers with weights drawn from ``seed``, and a tokenizer learned from the captions, or that of ``facts``."""
    table = CaptionTable.of_set(images, "CLIP")
    _check(settings, images)
    if facts:
        tokenizer = CaptionTokenizer.from_json(facts["tokenizer"])
    else:
        tokenizer = CaptionTokenizer.learned(table.texts_of(images.train), settings.tokens)
    config = config_of(settings, images, tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIP(config)
    ids = torch.from_numpy(tokenizer.encode(table.texts, config.block_size))  # (U, T)
    of = torch.from_numpy(table.of)

    def loss(draw: Draw) -> Loss:
        assert draw.index is not None
        device = draw.images.device
        described = of[draw.index.cpu()].to(device)
        chinese = torch.rand(len(described), generator=draw.generator, device=device) < settings.chinese
        says = described.gather(1, chinese.long()[:, None])[:, 0]
        x = moved(draw.images, settings.moved, draw.generator)
        image, text, scale = model(x, ids[says.cpu()].to(device), settings.chunks)
        found = contrastive_loss(image, text, scale, described, says)
        return Loss(found.value, found.notes | {"scale": scale.detach().float().squeeze()})

    looks = CLIPStudy(images, table, tokenizer, seed)
    return Training(
        {"clip": model},
        [Phase("contrastive", model, optimizer_of(model, settings), loss, after=model.bound_scale)],
        ("clip",),
        looks.pictures,
        looks.scores,
        ("mean_recall", False),
        {"network": config.to_json(), "tokenizer": tokenizer.to_json()},
        warnings=_warnings(table),
        study=looks.study,
        draws=False,
    )


def _check(settings: CLIPSettings, images: ImageSet) -> None:
    if settings.accumulate > 1:
        raise UserError(
            "parts that are accumulated would see each other's pictures no more: leave accumulate out, and set chunks",
            "累积的各部分彼此看不到对方的图片：请勿设置 accumulate，改用 chunks",
        )
    if not 1 <= settings.chunks <= settings.batch_size:
        raise UserError(
            f"chunks is {settings.chunks}; give 1 to batch_size",
            f"chunks 为 {settings.chunks}；请给 1 到 batch_size",
        )
    for name in ("moved", "chinese"):
        if not 0 <= getattr(settings, name) <= 1:
            raise UserError(
                f"{name} is {getattr(settings, name)}; give 0 to 1",
                f"{name} 为 {getattr(settings, name)}；请给 0 到 1",
            )
    if len(images.held_out) < 2:
        raise UserError(
            f"{images.name} holds {len(images.held_out)} pictures out; 2 at least are needed to find each other's captions",
            f"{images.name} 只留出 {len(images.held_out)} 张图片；至少需要 2 张才能互相检索",
        )


def _warnings(table: CaptionTable) -> tuple[Text, ...]:
    if not table.without:
        return ()
    return (
        Text(
            f"{table.without} of {len(table.of)} pictures have no caption; they teach nothing but that",
            f"{len(table.of)} 张图片中有 {table.without} 张没有描述文字",
        ),
    )


def config_of(settings: CLIPSettings, images: ImageSet, tokenizer: CaptionTokenizer) -> CLIPConfig:
    """Heads of 64 units where the width allows it, else of 32, 16 or 8; the largest patches up to ``settings.patch`` that
    part the pictures."""

    def heads(width: int) -> int:
        return next((width // size for size in (64, 32, 16, 8, 4) if width % size == 0), 1)

    patch = next(p for p in range(min(settings.patch, images.size), 0, -1) if images.size % p == 0)
    if settings.network == "vit" and images.size // patch > MOST_PATCHES:
        raise UserError(
            f"pictures of {images.size} pixels do not part into patches of {settings.patch} or a few less: prepare them "
            f"with --size {images.size // settings.patch * settings.patch}",
            f"{images.size} 像素的图片无法分成 {settings.patch} 像素或略小的块：请用 "
            f"--size {images.size // settings.patch * settings.patch} 重新准备",
        )
    return CLIPConfig(
        vocab_size=tokenizer.vocab_size,
        block_size=settings.length,
        end=END,
        network=cast(Literal["vit", "conv"], settings.network),
        size=images.size,
        patch=patch,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=heads(settings.width),
        text_n_embd=settings.text_width,
        text_n_layer=settings.text_layers,
        text_n_head=heads(settings.text_width),
        n_out=settings.embedding,
    )


def optimizer_of(model: CLIP, settings: CLIPSettings) -> torch.optim.Optimizer:
    """AdamW; what is no matrix (gains, biases, positions, the temperature) is not pulled towards 0 (section 2.5)."""
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim >= 2 and not name.endswith("wpe")]
    others = [p for name, p in named if p.ndim < 2 or name.endswith("wpe")]
    groups = [{"params": matrices, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.98), eps=1e-6, foreach=True)


def moved(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """x (B, C, H, W), each picture shifted and scaled by its own draw; what comes in from outside repeats the border.

    Colours stay as they are, and left stays left: captions speak of both.
    """
    if not strength:
        return x
    shift, size = torch.rand(2, len(x), 2, generator=generator, device=x.device).unbind()
    theta = torch.zeros(len(x), 2, 3, device=x.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 + (size[:, 0] - 0.5) * 0.4 * strength
    theta[:, :, 2] = (shift - 0.5) * 0.5 * strength  # of half a side
    where = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x.float(), where, padding_mode="border", align_corners=False)
