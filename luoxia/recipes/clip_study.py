"""What is looked at of a CLIP: how held-out pictures and their captions find each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core.images import enlargement
from luoxia.core.pixels import to_bytes
from luoxia.data.batches import Batch
from luoxia.data.caption_table import LANGUAGES, CaptionTable
from luoxia.data.images import ImageSet
from luoxia.evaluate.alignment import class_vectors, retrieval, retrieval_chance, zero_shot_accuracy
from luoxia.evaluate.pictures import grid
from luoxia.models.captions import CaptionTokenizer
from luoxia.models.clip import CLIP
from luoxia.train.engine import Modules, Note, Study, to_tensor

HELD_OUT = 1_000  # pictures at most that find each other's captions
QUERIES, SHOWN = 8, 8  # captions of a sample sheet, and pictures in the row of each
AT_ONCE = 256  # pictures or texts in one pass
TEMPLATES = ("{}", "{} style", "a picture in the {} style")


class CLIPStudy:
    """Up to ``HELD_OUT`` held-out pictures and their captions, and how a CLIP finds the ones by the others."""

    def __init__(self, images: ImageSet, table: CaptionTable, tokenizer: CaptionTokenizer, seed: int) -> None:
        self.images, self.table, self.tokenizer = images, table, tokenizer
        drawn = np.random.Generator(np.random.PCG64(seed)).permutation(images.held_out)[:HELD_OUT]
        self.places = np.sort(drawn)
        both = bool((table.of[:, 0] != table.of[:, 1]).any())
        self.languages = LANGUAGES if both else LANGUAGES[:1]

    @torch.no_grad()
    def scores(self, modules: Modules) -> dict[str, float]:
        """Recall in both directions and languages, their mean, and accuracy by the names of classes."""
        model = cast(CLIP, modules["clip"])
        images = self._of_pictures(model)
        found, zero_shot = dict[str, float](), dict[str, float]()
        for language in self.languages:
            texts, of = self._captions(language)
            recalls = retrieval(images, self._of_texts(model, texts), of)
            found |= {f"{name}_{language}": value for name, value in recalls.items()}
        if self.images.labels is not None and len(self.images.classes) > 1:
            names = [name.replace("-", " ").replace("_", " ") for name in self.images.classes]
            classes = class_vectors(lambda texts: self._of_texts(model, texts), names, TEMPLATES)
            zero_shot["zero_shot_accuracy"] = zero_shot_accuracy(
                images, classes, self.images.labels[self.places]
            )
        return {"mean_recall": float(np.mean(list(found.values()))), **found, **zero_shot}

    def pictures(self, modules: Modules, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """A row for each of some fixed captions, in the languages in turn: its own picture, then the nearest others."""
        model = cast(CLIP, modules["clip"])
        device = next(model.parameters()).device
        rows = self._rows(self._of_pictures(model), model)
        x, _ = to_tensor(Batch.of(self.images, self.places[np.concatenate([row for _, row in rows])]), device)
        return x

    @torch.no_grad()
    def study(self, modules: Modules, note: Note) -> Study:
        """Recall beside chance, and what some captions find."""
        model = cast(CLIP, modules["clip"])
        note("retrieval", 0, 1)
        found = self.scores(modules)
        rows = []
        for language in self.languages:
            chance = retrieval_chance(self._captions(language)[1])
            for name, value in chance.items():
                rows.append(
                    {
                        "recall": name,
                        "language": language,
                        "found": found[f"{name}_{language}"],
                        "chance": value,
                    }
                )
        searched = self._rows(self._of_pictures(model), model)
        shown = to_bytes(self.pictures(modules, torch.Generator()))
        sheet = grid(shown, len(searched[0][1]), enlarge=enlargement(self.images.size))
        texts = [{"row": i + 1, "caption": text} for i, (text, _) in enumerate(searched)]
        note("retrieval", 1, 1)
        scale = {"temperature": float((-model.logit_scale.double()).exp())}
        return Study(found | scale, {"retrieved": sheet}, {"recall": rows, "retrieved": texts})

    def _rows(self, images: Tensor, model: CLIP) -> list[tuple[str, NDArray[np.int64]]]:
        """Captions, and for each the places among the held-out pictures of its own and of the nearest others."""
        chosen = np.linspace(0, len(self.places) - 1, min(QUERIES, len(self.places))).astype(int)
        rows = []
        for i, place in enumerate(chosen):
            text = self.table.texts[self.table.of[self.places[place], i % 2]]
            order = (images @ self._of_texts(model, [text])[0]).argsort(descending=True).cpu().numpy()
            nearest = order[order != place][: SHOWN - 1]
            rows.append((text, np.concatenate([[place], nearest])))
        return rows

    def _captions(self, language: str) -> tuple[list[str], NDArray[np.int64]]:
        """The distinct captions of the pictures in a language, and the place of each picture's among them."""
        mine = self.table.of[self.places, LANGUAGES.index(language)]
        distinct, of = np.unique(mine, return_inverse=True)
        return [self.table.texts[i] for i in distinct], of

    @torch.no_grad()
    def _of_pictures(self, model: CLIP) -> Tensor:
        device = next(model.parameters()).device
        parts = [self.places[at : at + AT_ONCE] for at in range(0, len(self.places), AT_ONCE)]
        return torch.cat([model.encode_image(to_tensor(Batch.of(self.images, p), device)[0]) for p in parts])

    @torch.no_grad()
    def _of_texts(self, model: CLIP, texts: Sequence[str]) -> Tensor:
        ids = torch.from_numpy(self.tokenizer.encode(list(texts), model.config.block_size))
        device = next(model.parameters()).device
        return torch.cat([model.encode_text(part.to(device)) for part in ids.split(AT_ONCE)])
