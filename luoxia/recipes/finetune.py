"""A text model that is taught by examples of how to answer: low-rank maps beside its frozen layers, or all of its weights.

luoxia finetune smollm2-135m-instruct --data pairs.jsonl --lora 16 -o my-writer

200 pairs of 150 tokens take some 5 minutes on two cores of a laptop; held-out loss falls below the base's from the first look.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import luoxia
from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.core.runtime import resolve
from luoxia.data import lessons, pairs
from luoxia.data.lessons import LessonRows
from luoxia.generate.load import open_network, open_tokenizer
from luoxia.models.gpt import GPT
from luoxia.models.tokenizer import Tokenizer
from luoxia.nn import lora
from luoxia.nn.documents import Documents
from luoxia.nn.lora import Adapter, LowRank
from luoxia.objectives.answers import NextAnswer, Packed
from luoxia.objectives.phase import Phase
from luoxia.recipes.finetune_dial import FinetuneSettings, chosen, completed
from luoxia.recipes.finetune_study import FinetuneStudy, scores_of
from luoxia.train.engine import Modules, Note, Study, Training
from luoxia.train.run import Run
from luoxia.weights import adapter_folder, adapters, catalogue, originals, text_folder

HELD = 128_000_000  # frozen weights that are kept unpacked: 256 MB in bf16
FAMILY_ADAPTER, FAMILY_FULL = "adapter", "finetuned"


def open_pairs(settings: FinetuneSettings, data: str, world: int) -> tuple[FinetuneSettings, LessonRows]:
    """The examples in the file ``data`` as rows of the base's tokens, and ``settings`` with what follows from them."""
    if adapter_folder.find(settings.base) is not None:
        raise UserError(
            f"{settings.base} is an adapter: fine-tune the model it was made for, and stack the two (a+b)",
            f"{settings.base} 是适配器：请微调其基础模型，再把两者叠加（a+b）",
        )
    tokenizer, context = open_tokenizer(settings.base)
    read = pairs.read(data)
    rows = lessons.rows(
        read, tokenizer, length=min(settings.length, context), share=settings.share, licence=settings.licence
    )
    return completed(settings, rows, world), rows


def build(
    settings: FinetuneSettings, rows: LessonRows, seed: int, facts: dict[str, Any] | None = None
) -> Training:
    """The base with maps drawn from ``seed`` beside its layers. ``facts`` are those of the run that is opened again."""
    if facts is None and settings.name:
        catalogue.new_place(settings.name)
    bf16 = settings.precision == "bf16"
    name, path, network, tokenizer = _base(settings)
    sha256 = adapter_folder.hash_of(path)
    if facts is not None and facts["base"]["sha256"] != sha256:
        raise UserError(
            f"{name} is not the model that this run began with: its weights have changed",
            f"{name} 不是此次训练开始时的模型：其权重已改变",
        )
    module = network.requires_grad_(True) if settings.full else _adapted(network, settings, seed)
    network.train()  # a model comes as it writes, without dropout
    packed = Packed(*(torch.from_numpy(part) for part in (rows.ids, rows.targets, rows.documents)))
    loss = NextAnswer(packed, _Hidden(network, module), _head(network, settings))
    study = FinetuneStudy(network, tokenizer, rows, loss, _language(settings.base, rows), bf16)
    known = {"name": name if name in catalogue.CATALOGUE else str(path.absolute()), "sha256": sha256}
    told = {
        "family": FAMILY_FULL if settings.full else FAMILY_ADAPTER,
        "base": known,
        "tokenizer": tokenizer.digest,
        "layers": list(chosen(settings.layers)),
    }
    return Training(
        {"adapter": module},
        [Phase("answers", module, optimizer_of(module, settings), loss)],
        (),
        lambda _modules, _generator: torch.empty(0, 3, 1, 1),  # what it makes is text
        lambda _modules: study.scores(),
        ("nats_per_token", True),
        told,
        warnings=_said(settings, rows),
        study=lambda modules, note: _study(settings, study, network, modules, note),
        texts=lambda _modules, _generator: study.texts(),
        steady=True,
    )


def optimizer_of(module: nn.Module, settings: FinetuneSettings) -> torch.optim.Optimizer:
    """AdamW; of all weights, matrices alone are pulled towards 0."""
    matrices = [p for p in module.parameters() if p.ndim >= 2]
    others = [p for p in module.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], settings.learning_rate, betas=(0.9, 0.99), fused=True
    )


def keep(run: Run) -> None:
    """The best adapter so far, in the run's folder and under its name among the user's models."""
    recipe, weights = run.recipe, run.folder / "model.safetensors"
    if recipe["facts"]["family"] != FAMILY_ADAPTER or not weights.exists():
        return
    settings = recipe["settings"]
    adapter = read_adapter(weights, settings["alpha"] / settings["rank"])
    for folder in (run.folder, *([catalogue.place(settings["name"])] if settings["name"] else [])):
        adapters.keep(folder, adapter, _facts(run))
        originals.carry(run.folder, folder)


def close(run: Run, training: Training) -> None:
    """What is done when the last step is: the best state is taken, written where it is to be used, and looked at."""
    tensors = load_file(run.folder / "model.safetensors")
    module = training.modules["adapter"]
    module.load_state_dict({k.removeprefix("adapter."): v for k, v in tensors.items()})
    settings, facts = run.recipe["settings"], run.recipe["facts"]
    if facts["family"] == FAMILY_FULL:
        assert isinstance(module, GPT)
        tokenizer, _ = open_tokenizer(settings["base"])
        folder = catalogue.place(settings["name"]) if settings["name"] else run.folder / "model"
        text_folder.keep(folder, module, tokenizer, _facts(run))
        originals.carry(run.folder, folder)
    keep(run)
    assert training.study is not None
    study = training.study(training.modules, lambda *_: None)
    with write_atomically(run.folder / "evaluation.json") as file:
        file.write(json.dumps(study.scores | {"tables": study.tables}, ensure_ascii=False, indent=1).encode())


def read_adapter(path: Path, scale: float) -> Adapter:
    """The adapter among a run's weights."""
    tensors = load_file(path)
    places = sorted(k.removesuffix(".a") for k in tensors if k.endswith(".a"))
    prefix = "adapter.maps."
    maps = {
        place.removeprefix(prefix).replace("/", "."): LowRank(
            tensors[f"{place}.a"], tensors[f"{place}.b"], scale
        )
        for place in places
    }
    return Adapter(maps)


class _Hidden:
    """What the network makes of packed documents. It goes where the weights that learn have gone."""

    def __init__(self, network: GPT, module: nn.Module) -> None:
        self.network, self.module = network, module

    def __call__(self, ids: Tensor, documents: Documents) -> Tensor:
        device = next(self.module.parameters()).device
        if next(iter(self.network.norm.parameters())).device != device:
            self.network.to(device)
        return self.network.hidden(ids.to(device), documents=documents)


def _base(settings: FinetuneSettings) -> tuple[str, Path, GPT, Tokenizer]:
    """The base as it is trained through: 4-bit weights stay as they are where low-rank maps learn, and are unpacked where
    all weights do."""
    runtime = resolve(dtype="bfloat16" if settings.precision == "bf16" else "float32")
    runtime = dataclasses.replace(runtime, device=torch.device("cpu"))
    name, path, network, tokenizer = open_network(settings.base, runtime, dense=settings.full)
    network.compute = None if settings.full else runtime.dtype
    return name, path, network, tokenizer


def _adapted(network: GPT, settings: FinetuneSettings, seed: int) -> Adapter:
    network.requires_grad_(False)
    adapter = Adapter.fresh(
        network,
        layers=chosen(settings.layers),
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        generator=torch.Generator().manual_seed(seed),
    )
    if not adapter.maps:
        raise UserError(
            f"{settings.base} has none of the layers {settings.layers}",
            f"{settings.base} 没有 {settings.layers} 这些层",
        )
    adapter.attach(network)
    maps = [low for _, low in adapter.items()]
    beside = [layer for layer in network.modules() if isinstance(layer, lora.LoRALinear)]
    if network.compute is not None and sum(low.b.shape[0] * low.a.shape[1] for low in maps) <= HELD:
        for layer in beside:
            layer.hold(network.compute)
    return adapter


def _head(network: GPT, settings: FinetuneSettings) -> Callable[[], Tensor]:
    """Its last matrix, unpacked once where it is frozen and small."""
    if settings.full or network.config.vocab_size * network.config.n_embd > HELD or network.compute is None:
        return network.last
    held = network.last().to(network.compute)
    return lambda: held


def _study(
    settings: FinetuneSettings, study: FinetuneStudy, network: GPT, modules: Modules, note: Note
) -> Study:
    """The model beside what it was before: loss on held-out answers, on plain prose, and the answers themselves."""
    after = study.look()
    note("after", 1, 2)
    if settings.full:
        _, _, base, _ = _base(settings)
        before = study.of(base, dataclasses.replace(study.loss, hidden=_Hidden(base, base), head=base.last))
    else:
        lora.detach(network)
        before = study
    found = before.look().to_json()
    adapter = modules["adapter"]
    if isinstance(adapter, Adapter):
        adapter.attach(network)
    note("before", 2, 2)
    return Study(scores_of(found, after), {}, {"answers_beside": study.table(found, after)})


def _facts(run: Run) -> dict[str, Any]:
    """What is known of a result, beside its weights."""
    recipe, rows = run.recipe, run.metrics.read()
    scores = [row["held_out_nats_per_token"] for row in rows if "held_out_nats_per_token" in row]
    data = {k: recipe["data"][k] for k in ("name", "digest", "licence", "examples") if k in recipe["data"]}
    kept = ("learning_rate", "steps", "batch_size", "alpha", "dropout", "length")
    return {
        **{k: recipe["facts"][k] for k in ("family", "base", "tokenizer", "layers")},
        "data": data | {"name": Path(str(data["name"])).name},
        "training": {k: recipe["settings"][k] for k in kept} | {"seed": recipe["seed"]},
        "scores": {"held_out_nats_per_token": min(scores)} if scores else {},
        "versions": {"luoxia": luoxia.__version__, "torch": torch.__version__},
    }


def _language(base: str, rows: LessonRows) -> str:
    """The language in which a base is looked at for what it forgets."""
    entry = catalogue.CATALOGUE.get(base)
    if entry is not None and entry.languages:
        return "en" if "en" in entry.languages else "zh"
    text = "".join(m["content"] for c in rows.asked for m in c)
    chinese = sum("\u4e00" <= mark <= "\u9fff" for mark in text)
    return "zh" if chinese > len(text) // 4 else "en"


def _said(settings: FinetuneSettings, rows: LessonRows) -> tuple[Text, ...]:
    s = settings
    seen = s.steps * s.batch_size * rows.tokens(rows.train) // len(rows.train)
    times = seen / rows.tokens(rows.train)
    what = (
        Text("all weights learn", "训练全部权重")
        if s.full
        else Text(
            f"rank {s.rank} beside {','.join(chosen(s.layers))}",
            f"秩 {s.rank}，位于 {','.join(chosen(s.layers))}",
        )
    )
    return (
        *rows.notes,
        Text(
            f"{what.en}; {s.steps} steps at a rate of {s.learning_rate:g} see {seen} tokens, the examples {times:.1f} times; "
            f"{len(rows.asked)} examples are held out to score by",
            f"{what.zh}；共 {s.steps} 步，学习率 {s.learning_rate:g}，将看到 {seen} 个词元，样例重复 {times:.1f} 遍；"
            f"留出 {len(rows.asked)} 个样例用于评分",
        ),
    )
