"""A DALL·E written for other programs says there what it says here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_drawing
import torch

from luoxia.core.errors import UserError
from luoxia.models.captions import PAD
from luoxia.weights import dalle_export


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    model, generator = tiny_drawing.dalle(), torch.Generator().manual_seed(2)
    ids = torch.randint(3, model.config.vocab_size, (3, 8), generator=generator)
    ids[0, 5:], ids[1, 3:] = PAD, PAD
    return ids, torch.randint(16, (3, 16), generator=generator)


def test_transformers_opens_it_as_a_gpt2(tmp_path: Path) -> None:
    import transformers

    model = tiny_drawing.dalle()
    dalle_export.export_folder(model, tiny_drawing.tokenizer(), tmp_path / "hf")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "hf").eval()
    told = json.loads((tmp_path / "hf" / "drawing.json").read_text())
    ids, codes = tokens()
    padding = told["first_padding"] + torch.arange(8)
    joined = torch.cat([torch.where(ids == PAD, padding, ids), codes[:, :-1] + told["first_code"]], 1)
    with torch.inference_mode():
        found = theirs(joined).logits[:, told["text_length"] - 1 :, told["first_code"] :]
        _, wanted = model(ids, codes)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert reader("a red square 1").input_ids == tiny_drawing.tokenizer().ids("a red square 1")


@pytest.mark.parametrize("sparse", [(), ("row", "column")])
def test_onnx_gives_the_same_logits_at_any_batch(tmp_path: Path, sparse: tuple[str, ...]) -> None:
    import onnxruntime

    model = tiny_drawing.dalle(sparse=sparse)
    dalle_export.export_onnx(model, tiny_drawing.tokenizer(), tmp_path / "onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "onnx" / "dalle.onnx", providers=["CPUExecutionProvider"]
    )
    ids, codes = tokens()
    (found,) = session.run(None, {"ids": ids.numpy(), "codes": codes.numpy()})
    with torch.inference_mode():
        _, wanted = model(ids, codes)
    torch.testing.assert_close(torch.from_numpy(found), wanted, atol=1e-4, rtol=1e-4)


def test_sparse_attention_is_no_gpt2(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write it as ONNX"):
        dalle_export.export_folder(
            tiny_drawing.dalle(sparse=("row",)), tiny_drawing.tokenizer(), tmp_path / "hf"
        )
    assert not (tmp_path / "hf").exists()
