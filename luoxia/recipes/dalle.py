"""DALL·E: pictures from captions, as the codes of a dVAE that was trained before.

luoxia train dalle --data icons --set dvae=runs/dvae
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.caption_table import CaptionTable
from luoxia.data.images import ImageSet
from luoxia.generate.codes import untold_ids
from luoxia.models.captions import CaptionTokenizer
from luoxia.models.dalle import Dalle, DalleConfig
from luoxia.models.dvae import DiscreteVAE
from luoxia.objectives.dalle import NextToken
from luoxia.objectives.phase import Phase
from luoxia.recipes.dalle_study import DalleStudy
from luoxia.recipes.picture_codes import codes_of
from luoxia.train.adamw import adamw
from luoxia.train.engine import Training
from luoxia.train.settings import Settings
from luoxia.weights import drawing_folder


@dataclass(frozen=True)
class DalleSettings(Settings):
    """``dvae`` is a run's folder or a model, ``tokenizer`` one to take the captions' tokenizer from (none: it is learned,
    with ``tokens`` of them). ``length`` tokens of a caption are read. ``sparse`` as in "row,column,row,row,/conv" names
    the layers' attention in turn, the last one after "/"; none: dense.

    ``drop`` is the share of captions left out, ``noise`` that of codes exchanged for random ones in what the model sees,
    ``text_weight`` the captions' share of the loss, ``decay`` the weight decay of matrices. ``mirror``: every second
    sample is a picture's mirror image, whose codes are computed besides; captions that say left and right lie then.
    """

    steps: int = 40_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: int = 500
    cosine: bool = True
    clip: float = 1.0
    half_life: float = 20_000.0
    precision: str = "bf16"
    workers: int = 0
    sample_every: int = 1_000
    checkpoint_every: int = 1_000
    dvae: str = ""
    tokenizer: str = ""
    tokens: int = 4_096
    length: int = 16
    layers: int = 8
    heads: int = 4
    width: int = 256
    sparse: str = ""
    kernel: int = 11
    drop: float = 0.1
    noise: float = 0.0
    text_weight: float = 1 / 8
    decay: float = 0.1


def build(
    settings: DalleSettings, images: ImageSet, seed: int, facts: dict[str, Any] | None = None
) -> Training:
    """The transformer with weights drawn from ``seed``, the set as codes, and scores on held-out pictures. ``facts`` are
    those of the run that is opened again: its tokenizer, and the dVAE that must be the same."""
    table = CaptionTable.of_set(images, "DALL·E")
    _check(settings, images)
    tokenizer = _tokenizer(settings, table, images, facts)
    part = drawing_folder.find(settings.dvae).part("dvae")
    dvae: DiscreteVAE = part.network()
    print_ = drawing_folder.fingerprint(dvae)
    if facts is not None:
        _same_dvae(facts, part.name, print_)
    config = DalleConfig(
        tokenizer.vocab_size,
        dvae.config.codes,
        text_length=settings.length,
        side=dvae.config.side,
        n_layer=settings.layers,
        n_head=settings.heads,
        n_embd=settings.width,
        sparse=tuple(filter(None, settings.sparse.split(","))),
        kernel=settings.kernel,
    )
    dalle = Dalle(config, torch.Generator().manual_seed(seed))
    texts = torch.from_numpy(tokenizer.encode(table.texts, settings.length).astype(np.int32))
    codes = torch.from_numpy(codes_of(images, dvae, print_, mirrored=settings.mirror))
    loss = NextToken(
        # Looked up when it is called: splitting the weights over processes wraps it.
        lambda ids, codes: dalle(ids, codes),
        texts,
        torch.from_numpy(table.of),
        codes,
        untold_ids(settings.length),
        config.codes,
        drop=settings.drop,
        text_weight=settings.text_weight,
        noise=settings.noise,
    )
    shown = DalleStudy(images, table, texts, codes[0], dvae, seed)
    return Training(
        {"dalle": dalle},
        [Phase("tokens", dalle, adamw(dalle, settings.learning_rate, settings.decay), loss)],
        ("dalle",),
        shown.pictures,
        shown.scores,
        ("nats_per_code", True),
        {
            "network": config.to_json(),
            "tokenizer": tokenizer.to_json(),
            "needs": {"dvae": print_},
        },
        warnings=_warnings(settings, table, texts),
        study=shown.study,
    )


def _check(settings: DalleSettings, images: ImageSet) -> None:
    if not settings.dvae:
        raise UserError(
            "say which dVAE makes codes of the pictures, as in --set dvae=runs/dvae; `luoxia train dvae` trains one",
            "请说明用哪个 dVAE 把图片变为编码，如 --set dvae=runs/dvae；可用 `luoxia train dvae` 训练",
        )
    if settings.augment:
        raise UserError(
            "codes are computed before training: pictures cannot be shifted, leave augment out",
            "编码在训练前算好，图片不能再做增强：请勿设置 augment",
        )
    shares = {"drop": settings.drop, "noise": settings.noise, "text_weight": settings.text_weight}
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise UserError(
                f"{name} is {value}; give a share from 0 to below 1",
                f"{name} 为 {value}；请给 0 到 1 之间的比例",
            )
    if len(images.held_out) < 2:
        raise UserError(
            f"{images.name} holds {len(images.held_out)} pictures out; 2 at least are needed to score by",
            f"{images.name} 只留出 {len(images.held_out)} 张图片；评分至少需要 2 张",
        )


def _tokenizer(
    settings: DalleSettings, table: CaptionTable, images: ImageSet, facts: dict[str, Any] | None
) -> CaptionTokenizer:
    if facts is not None:
        return CaptionTokenizer.from_json(facts["tokenizer"])
    if settings.tokenizer:
        found = drawing_folder.find(settings.tokenizer)
        kind = "clip" if "clip" in found.parts else "dalle"
        return found.part(kind).reader()
    return CaptionTokenizer.learned(table.texts_of(images.train), settings.tokens)


def _same_dvae(facts: dict[str, Any], name: str, found: str) -> None:
    wanted = facts["needs"]["dvae"]
    if wanted != found:
        raise UserError(
            f"the run was trained on the codes of another dVAE, {wanted[:12]}; {name} is {found[:12]}",
            f"该训练使用另一个 dVAE（{wanted[:12]}）的编码；{name} 为 {found[:12]}",
        )


def _warnings(settings: DalleSettings, table: CaptionTable, texts: torch.Tensor) -> tuple[Text, ...]:
    found = []
    if table.without:
        found.append(
            Text(
                f"{table.without} of {len(table.of)} pictures have no caption; they are learned as pictures of none",
                f"{len(table.of)} 张图片中有 {table.without} 张没有描述文字，将作为无描述图片学习",
            )
        )
    cut = int((texts[:, -1] != 0).sum())
    if cut > len(texts) // 20:
        found.append(
            Text(
                f"{cut} of {len(texts)} captions fill all {settings.length} tokens, and may be cut short: a larger length reads more",
                f"{len(texts)} 条描述中有 {cut} 条占满 {settings.length} 个词元，可能被截断：可增大 length",
            )
        )
    return tuple(found)
