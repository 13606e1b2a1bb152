"""What is looked at while a model of verse learns: how well it foretells held-out poems, and what it writes."""

from __future__ import annotations

import torch

from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.verse_set import VerseSet
from luoxia.generate.decoding import continued
from luoxia.generate.sampling import Sampling
from luoxia.models.gpt import GPT
from luoxia.models.verse_tokenizer import NONE, PROMPT
from luoxia.nn.head_loss import head_loss
from luoxia.objectives.verse import VersePieces
from luoxia.train.engine import Modules

MOST = 2_048  # held-out poems that a checkpoint is scored on
AT_ONCE = 128
ASKED = (("五绝", "秋水长天"), ("七绝", "江南春雨"), ("五律", "送友人"), ("七律", "登高怀古"))
DRAWN = Sampling(temperature=0.8, top_p=0.95, repetition_penalty=1.0)


class VerseStudy:
    """Scores and texts of the module of a run on ``poems``."""

    def __init__(self, poems: VerseSet, pieces: VersePieces, seed: int, bf16: bool) -> None:
        self.poems, self.pieces, self.seed, self.bf16 = poems, pieces, seed, bf16

    @torch.no_grad()
    def scores(self, modules: Modules) -> dict[str, float]:
        """``nats_per_character`` of held-out poems told their form and themes drawn once for all, and what it is when they
        are told their form alone; what divides lines is not counted."""
        gpt = modules["verse"]
        assert isinstance(gpt, GPT)
        device = gpt.wte.weight.device
        self.pieces.to(device)
        total, plain, count = 0.0, 0.0, 0
        held_out = torch.from_numpy(self.poems.held_out[:MOST]).to(device)
        for place, shape in enumerate(self.pieces.shapes):
            of_form = held_out[self.pieces.form[held_out] == place]
            for number, index in enumerate(of_form.split(AT_ONCE)):
                draw = torch.Generator(device).manual_seed(place << 32 | number)
                poem = self.pieces.poem(index, shape)
                told = self.pieces.prompt(index, shape, draw)
                total += self._nats(gpt, told, poem)
                told[:, 1:] = NONE
                plain += self._nats(gpt, told, poem)
                count += len(index) * shape.characters
        return {"nats_per_character": total / count, "nats_per_character_untold": plain / count}

    def _nats(self, gpt: GPT, prompt: torch.Tensor, poem: torch.Tensor) -> float:
        ids = torch.cat([prompt, poem], 1)
        targets = poem.masked_fill(poem < self.poems.tokenizer.first_character, -100)
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.bf16):
            hidden = gpt.hidden(ids[:, :-1])[:, PROMPT - 1 :]
            return float(head_loss(hidden.flatten(0, 1), gpt.last(), targets.flatten())[0])

    def texts(self, modules: Modules, generator: torch.Generator) -> tuple[str, ...]:
        """A poem of each form as the model writes it by itself: nothing holds it to the form but what it has learned."""
        gpt, tokenizer = modules["verse"], self.poems.tokenizer
        assert isinstance(gpt, GPT)
        prompts = [tokenizer.prompt(form, regular=True, theme=theme) for form, theme in ASKED]
        seed = int(torch.randint(1 << 62, (), generator=generator, device=generator.device))
        new = max(form.lines * (form.length + 1) for form in FORMS.values())
        written = continued(gpt, prompts, new, DRAWN, seed)
        return tuple(
            f"{form} {theme}\n" + "\n".join(tokenizer.lines(row))
            for (form, theme), row in zip(ASKED, written, strict=True)
        )
