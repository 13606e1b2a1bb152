"""CLIP's Hugging Face folders: what transformers computes from them we compute, and the other way round."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

from luoxia.models.captions import CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.weights import clip_export, clip_huggingface, clip_vocabulary

WORDS = ["a", "photo", "of", "cat", "dog"]
TEXTS = ["a photo of a cat", "A  DOG's photo!", "猫 é", "", "<|endoftext|> cat 12", "a " * 100]


def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The bytes, alone and at a word's end, and merges that make a few words, in OpenAI's order."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            pieces = ["".join(pair), *pieces[2:]]
            if pair not in merges:
                merges.append(pair)
                tokens.append("".join(pair))
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(tokens)}, merges


def reference(folder: Path, activation: str = "quick_gelu", end: int | None = None) -> transformers.CLIPModel:
    """A tiny CLIP of random weights that all matter, with its tokenizer, as a published folder has them."""
    vocab, merges = vocabulary()
    size = len(vocab)
    text = {
        "vocab_size": size,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 24,
        "projection_dim": 20,
        "hidden_act": activation,
        "bos_token_id": size - 2,
        "eos_token_id": size - 1 if end is None else end,
    }
    vision = {
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 32,
        "patch_size": 8,
        "projection_dim": 20,
        "hidden_act": activation,
    }
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=20)
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    return model


def pictures(size: int) -> torch.Tensor:
    return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def embeddings(model: transformers.CLIPModel, x: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        out = model(pixel_values=x, input_ids=ids)
    return out.image_embeds, out.text_embeds, out.logits_per_image


def same_as(theirs: transformers.CLIPModel, ours: CLIP, ids: torch.Tensor, their_ids: torch.Tensor) -> None:
    c = ours.config
    x = pictures(c.size)
    mean, std = (torch.tensor(v)[:, None, None] for v in (c.mean, c.std))
    image, text, logits = embeddings(theirs, ((x + 1) / 2 - mean) / std, their_ids)
    with torch.no_grad():
        mine, read = ours.encode_image(x), ours.encode_text(ids)
    torch.testing.assert_close(mine, image, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read, text, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.logit_scale.exp() * mine @ read.T, logits, atol=1e-4, rtol=1e-5)
    assert (image[0] - image[1]).norm() > 1e-2
    assert (text[0] - text[1]).norm() > 1e-2


@pytest.mark.parametrize(("activation", "end"), [("quick_gelu", None), ("gelu", None), ("quick_gelu", 2)])
def test_a_published_folder_gives_the_outputs_of_transformers(activation, end, tmp_path):
    """With ``end`` 2 as in OpenAI's own configurations, which mean the last of the vocabulary by it."""
    theirs = reference(tmp_path, activation, end)
    ours, tokenizer = clip_huggingface.load_folder(tmp_path)
    assert ours.config.mean == clip_huggingface.OPENAI_MEAN
    ids = torch.from_numpy(tokenizer.encode(TEXTS, ours.config.block_size))
    same_as(theirs, ours, ids, ids)


def test_texts_are_read_as_transformers_reads_them(tmp_path):
    reference(tmp_path)
    theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    ours = clip_vocabulary.read(tmp_path)
    for text in TEXTS[:4]:
        wanted = theirs(text, padding="max_length", max_length=24)["input_ids"]
        assert ours.encode([text], 24)[0].tolist() == wanted, text
    cut = ours.encode([TEXTS[5]], 24)[0]
    assert cut.tolist() == theirs(TEXTS[5], truncation=True, max_length=24)["input_ids"]
    assert (ours.encode([TEXTS[4]], 24)[0] == ours.end).argmax() > 1  # an end that is written ends nothing


def ours_of(captions: list[str]) -> tuple[CLIP, CaptionTokenizer]:
    tokenizer = CaptionTokenizer.learned(captions, 300)
    torch.manual_seed(2)
    config = CLIPConfig(
        vocab_size=tokenizer.vocab_size,
        block_size=12,
        size=16,
        patch=4,
        n_embd=32,
        n_layer=2,
        n_head=2,
        text_n_embd=24,
        text_n_layer=2,
        text_n_head=3,
        n_out=16,
    )
    return CLIP(config).eval(), tokenizer


def test_what_we_export_transformers_opens_with_equal_outputs(tmp_path):
    captions = ["a red heart", "戴墨镜的猫", "two blue cats"]
    ours, tokenizer = ours_of(captions)
    folder = clip_export.export_folder(ours, tokenizer, tmp_path / "out")
    theirs, loading = transformers.CLIPModel.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    read = transformers.AutoTokenizer.from_pretrained(folder)(
        captions, padding="max_length", max_length=12, return_tensors="pt"
    )["input_ids"]
    ids = torch.from_numpy(tokenizer.encode(captions, 12))
    same_as(theirs.eval(), ours, ids, read)
    # And it comes back as it went.
    again, tokenizer_again = clip_huggingface.load_folder(folder)
    same_as(theirs.eval(), again, torch.from_numpy(tokenizer_again.encode(captions, 12)), read)
    with torch.no_grad():
        torch.testing.assert_close(again.encode_text(read), ours.encode_text(ids), atol=1e-6, rtol=1e-6)


def test_a_published_folder_goes_out_as_it_came_in(tmp_path):
    reference(tmp_path / "in")
    model, tokenizer = clip_huggingface.load_folder(tmp_path / "in")
    clip_export.export_folder(model, tokenizer, tmp_path / "out")
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in ("in", "out"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_convolutional_tower_is_refused(tmp_path):
    ours, tokenizer = ours_of(["a"])
    conv = CLIP(CLIPConfig(vocab_size=tokenizer.vocab_size, network="conv", n_embd=16, size=16))
    with pytest.raises(ValueError, match="ONNX"):
        clip_export.export_folder(conv, tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert np.isfinite(ours.logit_scale.detach().numpy()).all()


def test_folders_that_cannot_be_used_say_why(tmp_path):
    good = tmp_path / "good"
    reference(good)

    def broken(name: str, change) -> Path:
        folder = tmp_path / name
        shutil.copytree(good, folder)
        change(folder)
        return folder

    def config(**changes):
        def change(folder: Path) -> None:
            told = json.loads((folder / "config.json").read_text())
            for key, value in changes.items():
                target = told
                *path, last = key.split("__")
                for step in path:
                    target = target[step]
                target[last] = value
            (folder / "config.json").write_text(json.dumps(told))

        return change

    def tensors(change):
        def changed(folder: Path) -> None:
            held = load_file(folder / "model.safetensors")
            change(held)
            save_file(held, folder / "model.safetensors")

        return changed

    q = "text_model.encoder.layers.0.self_attn.q_proj.weight"
    for name, change, words in (
        ("other", config(model_type="bert"), "not clip"),
        ("act", config(text_config__hidden_act="relu"), "activation"),
        ("many", config(vision_config__num_hidden_layers=4), "lacks"),
        ("odd", config(vision_config__patch_size=7), "whole patches"),
        ("words", config(text_config__vocab_size=9), "more tokens"),
        ("text", config(vision_config__image_size="32"), "not a number"),
        ("torn", tensors(lambda held: held.pop(q)), "lacks"),
        ("nan", tensors(lambda held: held[q].fill_(float("nan"))), "finite"),
        ("more", tensors(lambda held: held.update(extra=torch.zeros(1))), "no place"),
        ("no vocab", lambda folder: (folder / "vocab.json").unlink(), "is not there"),
        ("merges", lambda folder: (folder / "merges.txt").write_text("a b c"), "no pair"),
        ("json", lambda folder: (folder / "config.json").write_text("{"), "config.json"),
    ):
        with pytest.raises(ValueError, match=words):
            clip_huggingface.load_folder(broken(name, change))
