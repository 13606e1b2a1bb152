"""A CLIP as ONNX: another program computes what we compute."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from luoxia.models.captions import CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.weights.clip_onnx import export_onnx

TEXTS = ["a red heart", "戴墨镜的猫", ""]


@pytest.mark.parametrize("network", ["vit", "conv"])
def test_onnxruntime_gives_our_vectors(network, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    tokenizer = CaptionTokenizer.learned(TEXTS, 280)
    torch.manual_seed(0)
    shape = {"n_embd": 32, "n_layer": 4, "n_head": 2, "text_n_embd": 24, "text_n_layer": 2, "n_out": 16}
    model = CLIP(
        CLIPConfig(vocab_size=tokenizer.vocab_size, block_size=10, size=16, patch=4, network=network, **shape)
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    export_onnx(model, tokenizer, tmp_path)
    told = json.loads((tmp_path / "clip.json").read_text())
    assert told["scale"] == pytest.approx(float(model.logit_scale.detach().exp()))
    x = torch.rand(5, 3, 16, 16) * 2 - 1
    ids = torch.from_numpy(tokenizer.encode(TEXTS, told["length"]))
    with torch.no_grad():
        wanted = model.encode_image(x).numpy(), model.encode_text(ids).numpy()
    found = []
    for name, given in (("image", x), ("text", ids)):
        session = runtime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"])
        (key,) = [i.name for i in session.get_inputs()]
        found.append(session.run(None, {key: given.numpy()})[0])
    for mine, theirs in zip(wanted, found, strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-5)


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    tokenizer = CaptionTokenizer.learned(TEXTS, 280)
    shape = {"n_embd": 16, "n_layer": 1, "n_head": 2, "text_n_embd": 16, "text_n_layer": 1, "text_n_head": 2}
    model = CLIP(CLIPConfig(vocab_size=tokenizer.vocab_size, block_size=10, size=16, patch=8, **shape)).eval()
    with pytest.raises(ValueError, match=r"luoxia\[onnx\]"):
        export_onnx(model, tokenizer, tmp_path)
    assert not list(tmp_path.iterdir())
