"""How a DALL·E is looked at: nats per code of held-out pictures, and pictures for fixed captions."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.core.images import enlargement
from luoxia.core.pixels import to_bytes
from luoxia.data.caption_table import LANGUAGES, CaptionTable
from luoxia.data.images import ImageSet
from luoxia.evaluate.pictures import grid
from luoxia.generate.codes import draw_codes, untold_ids
from luoxia.generate.drawing_order import Knobs
from luoxia.models.dalle import Dalle
from luoxia.models.dvae import DiscreteVAE
from luoxia.train.engine import Modules, Note, Study

HELD_OUT = 1_024  # pictures at most that are scored
AT_ONCE = 64
PICTURES = 32  # of a sample sheet, every second one for a Chinese caption
GUIDANCES = (1.0, 2.0, 3.0, 5.0)


class DalleStudy:
    """Scores and samples of the transformers that learn the ``codes`` (N, n) of ``images`` under ``texts`` (U, T), the
    tokens of the table's captions. ``dvae`` makes pictures of what they draw."""

    def __init__(
        self,
        images: ImageSet,
        table: CaptionTable,
        texts: Tensor,
        codes: Tensor,
        dvae: DiscreteVAE,
        seed: int,
    ) -> None:
        self.images, self.table, self.texts, self.codes, self.dvae = images, table, texts, codes, dvae
        drawn = np.random.Generator(np.random.PCG64(seed)).permutation(images.held_out)[:HELD_OUT]
        self.places = np.sort(drawn)
        both = bool((table.of[:, 0] != table.of[:, 1]).any())
        self.languages = LANGUAGES if both else LANGUAGES[:1]
        chosen = drawn[np.arange(PICTURES // 2) % len(drawn)]
        self.asked = [int(table.of[place, i % len(self.languages)]) for place in chosen for i in (0, 1)]

    def scores(self, modules: Modules) -> dict[str, float]:
        """Nats per code of held-out pictures, told in each language, their mean, and told nothing."""
        model = cast(Dalle, modules["dalle"])
        told = {
            f"nats_per_code_{language}": self._nats(model, self.texts[self.table.of[self.places, i]])
            for i, language in enumerate(self.languages)
        }
        none = untold_ids(self.texts.shape[1]).expand(len(self.places), -1)
        mean = float(np.mean(list(told.values())))
        return {"nats_per_code": mean, **told, "nats_per_code_untold": self._nats(model, none)}

    @torch.no_grad()
    def _nats(self, model: Dalle, ids: Tensor) -> float:
        device, total = model.words.device, 0.0
        with torch.autocast(device.type, torch.bfloat16, enabled=_fast(device)):
            for at in range(0, len(self.places), AT_ONCE):
                codes = self.codes[self.places[at : at + AT_ONCE]].long().to(device)
                _, logits = model(ids[at : at + AT_ONCE].long().to(device), codes)
                total += float(
                    F.cross_entropy(logits.flatten(0, 1).float(), codes.flatten(), reduction="sum")
                )
        return total / (len(self.places) * self.codes.shape[1])

    def pictures(self, modules: Modules, generator: torch.Generator, knobs: Knobs = Knobs()) -> Tensor:
        """Pictures (N, C, H, W) for fixed held-out captions, in each language in turn."""
        model = cast(Dalle, modules["dalle"])
        ids = self.texts[self.asked].long()
        uniforms = torch.rand(
            len(ids), model.config.places, generator=generator, device=generator.device, dtype=torch.float64
        )
        codes = draw_codes(model, ids, uniforms, knobs).codes
        return self._decoded(codes)

    @torch.no_grad()
    def _decoded(self, codes: Tensor) -> Tensor:
        return self.dvae.to(codes.device).decode_ids(codes)

    def study(self, modules: Modules, note: Note) -> Study:
        """What the captions are worth, and the fixed captions under several strengths of guidance."""
        found, device = self.scores(modules), cast(Dalle, modules["dalle"]).words.device
        gains = {
            f"nats_that_{k.removeprefix('nats_per_code_')}_captions_save": found["nats_per_code_untold"] - v
            for k, v in found.items()
            if k.startswith("nats_per_code_") and not k.endswith("untold")
        }
        sheets = {}
        for i, guidance in enumerate(GUIDANCES):
            note("guidance", i, len(GUIDANCES))
            noise = torch.Generator(device).manual_seed(0)
            drawn = to_bytes(self.pictures(modules, noise, Knobs(guidance=guidance)))
            sheets[f"guidance_{guidance:g}"] = grid(drawn, 8, enlarge=enlargement(self.images.size))
        note("guidance", len(GUIDANCES), len(GUIDANCES))
        captions = [
            {"picture": i + 1, "caption": self.table.texts[place]} for i, place in enumerate(self.asked)
        ]
        return Study(gains, sheets, {"captions": captions})


def _fast(device: torch.device) -> bool:
    """Whether the device multiplies bf16 natively; scores differ by less than their last shown digit."""
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
