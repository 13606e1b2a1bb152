"""What the judge of prompts is made of: WordNet's kinds, slots and words, thresholds."""

from __future__ import annotations

import numpy as np
import torch

from luoxia.data import prompt_examples, wordnet
from luoxia.provenance.prompt_judge import windows
from luoxia.recipes import prompt_gate

NOUNS = """\
  1 a licence
00000001 06 n 01 weapon 0 002 ~ 00000002 n 0000 ~ 00000003 n 0000 | what one fights with
00000002 06 n 02 pipe_bomb 0 bomb 0 001 @ 00000001 n 0000 | a bomb in a pipe
00000003 06 n 01 club 0 001 ~i 00000005 n 0000 | a heavy stick; "he swung his club"
00000004 14 n 01 club 0 000 | people who meet
00000005 18 n 01 Excalibur 0 000 | a sword
"""


def test_kinds_are_the_words_of_one_meaning_below_a_root(tmp_path) -> None:
    (tmp_path / "data.noun").write_text(NOUNS, encoding="utf-8")
    wanted = {"weapon": [("weapon", wordnet.ARTIFACT, wordnet.KIND)], "name": [("weapon", wordnet.ARTIFACT, wordnet.INSTANCE)]}  # fmt: skip
    found = wordnet.kinds(tmp_path / "data.noun", wanted)
    assert found == {"weapon": ("pipe bomb", "bomb"), "name": ("Excalibur",)}
    assert list(wordnet.glosses(tmp_path / "data.noun"))[2:4] == ["a heavy stick", "he swung his club"]


def test_every_slot_has_words_and_every_kind_a_slot() -> None:
    prompts = prompt_examples.written()
    random = np.random.default_rng(0)
    assert all("{" not in prompts.drawn(template, random) for template in prompts.templates)
    slots = {slot for _, slot in prompts.words}
    assert slots >= {*prompt_examples.KINDS}


def test_thresholds_are_set_so_that_long_plain_prose_passes() -> None:
    class Judge:
        def judge(self, text: str) -> dict[str, float]:
            return dict.fromkeys(prompt_gate.CLASSES, 0.99 if "a" in text else 0.001)

    less = prompt_gate.needless(Judge(), ["a b", "b b"], np.random.default_rng(0))  # type: ignore[arg-type]
    looks = len(windows(2 * prompt_gate.LONG))
    over = torch.log(torch.tensor(0.99 / 0.01)) - torch.log(torch.tensor(0.8 / 0.2))
    assert torch.allclose(less[0], over / torch.log(torch.tensor(float(looks))), atol=1e-4)
    assert less[1] > less[0]  # of minors, whose threshold is lower
    more = prompt_gate.needless(Judge(), ["b"], np.random.default_rng(0))  # type: ignore[arg-type]
    assert not more.any()
