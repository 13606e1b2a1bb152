"""Each rule of the training doctor sees its illness where it is real, and nothing where there is none."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from tiny_pictures import pictures

from luoxia.cli.main import main
from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.data import prepared
from luoxia.data.images import ImageSet
from luoxia.recipes import catalogue, session
from luoxia.recipes.report import page
from luoxia.train import checkpoint
from luoxia.train.doctor import Doctor
from luoxia.train.run import Run

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
TINY = {"batch_size": 16, "width": 8, "latent": 8, "workers": 0, "log_every": 2, "sample_every": 1000}


def stored(tmp_path, images: ImageSet) -> str:
    prepared.write(tmp_path / "set.data", images)
    return str(tmp_path / "set.data")


def photographs(n: int, size: int = 16) -> ImageSet:
    """Colours that flow into each other, no two pictures alike; half of them held out."""
    random = np.random.default_rng(1)
    coarse = torch.from_numpy(random.random((n, 3, 4, 4)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    images = (smooth * 255).byte().numpy()
    return ImageSet("colours", images, None, (), None, np.arange(0, n, 2), ("made here",), "c")


def trained(tmp_path, recipe, images, **changes):
    tmp_path.mkdir(exist_ok=True)
    data = stored(tmp_path, images)
    tiny = {k: v for k, v in TINY.items() if hasattr(catalogue.find(recipe).settings, k)}
    work = session.begin(recipe, data, tmp_path / "run", CPU, seed=3, changes=tiny | changes)
    findings = []
    try:
        work.train(tell=findings.append)
    except UserError as error:
        return work, findings, str(error)
    return work, findings, ""


def rules(findings):
    return [f.rule for f in findings]


def test_a_sound_run_is_told_nothing(tmp_path):
    work, findings, error = trained(
        tmp_path,
        "vae",
        pictures(64),
        steps=200,
        checkpoint_every=20,
        learning_rate=2e-3,
        warmup=20,
        cosine=True,
    )
    assert not error
    assert rules(findings) == []
    rows = work.run.metrics.read()
    assert [row["vital_used_latent"] for row in rows if "vital_used_latent" in row][-1] > 0.2
    scores = [row["held_out_bits_per_dim"] for row in rows if "held_out_bits_per_dim" in row]
    assert scores[-1] < scores[0]


def test_codes_that_nothing_falls_to_are_seen(tmp_path):
    """Gumbel's codes under a KL to uniform so heavy that the encoder says nothing of the picture."""
    changes = {
        "perceptual": 0,
        "blocks": 1,
        "factor": 4,
        "codebook": 64,
        "code_width": 4,
        "steps": 60,
        "checkpoint_every": 30,
        "learning_rate": 5e-3,
        "warmup": 0,
    }
    pictures_of_all_kinds = photographs(64)
    ill = changes | {"quantiser": "gumbel", "beta": 3000.0, "kl_steps": 1, "loss": "laplace"}
    _, findings, error = trained(tmp_path / "ill", "dvae", pictures_of_all_kinds, **ill)
    assert not error
    assert "codebook collapse" in rules(findings)
    found = next(f for f in findings if f.rule == "codebook collapse")
    assert "fsq" in found.advice.en
    assert "fsq" in found.advice.zh
    for sound in ("fsq", "vq"):
        work, findings, _ = trained(
            tmp_path / sound, "dvae", pictures_of_all_kinds, **changes, quantiser=sound, levels="4,4,4"
        )
        assert rules(findings) == [], sound
        assert [r["vital_codebook_use"] for r in work.run.metrics.read() if "vital_codebook_use" in r][
            -1
        ] > 0.4


def test_a_sound_game_is_told_nothing(tmp_path):
    _, findings, error = trained(tmp_path, "gan", photographs(200), steps=120, checkpoint_every=20)
    assert not error
    assert rules(findings) == []


def test_numbers_that_overflow_stop_the_run_and_spare_the_last_sound_weights(tmp_path):
    work, findings, error = trained(
        tmp_path, "vae", pictures(), steps=400, checkpoint_every=4, learning_rate=9.0, clip=0, warmup=120
    )
    assert rules(findings)[-1] == "not finite"
    assert "it was sound at step" in error
    assert "it was sound at step 0" not in error
    assert "--auto" in error
    for step in checkpoint.steps_in(work.run.checkpoints):
        tensors = checkpoint.load(checkpoint.folder_of(work.run.checkpoints, step)).tensors
        assert all(t.isfinite().all() for t in tensors.values() if t.is_floating_point())
    assert "Doctor" in page(work.run, "en")
    assert "训练医生" in page(work.run, "zh")
    said = json.loads((work.run.folder / "doctor.jsonl").read_text().splitlines()[-1])
    assert said["level"] == "fatal"


def test_auto_goes_back_and_halves_the_rate_and_a_resumed_run_does_the_same(tmp_path):
    changes = {
        "steps": 60,
        "checkpoint_every": 10,
        "learning_rate": 2.0,
        "clip": 0,
        "warmup": 30,
        "auto": True,
    }
    work, findings, _ = trained(tmp_path, "vae", pictures(), **changes)
    rollbacks = Run.open(work.run.folder).recipe["rollbacks"]
    assert 1 <= len(rollbacks) <= 4
    assert {"not finite", "exploding gradients"} & set(rules(findings))
    assert work.engine.slower == 0.5 ** len(rollbacks)
    assert all(r["to"] < r["at"] for r in rollbacks)
    again = session.resume(work.run.folder, CPU)
    assert again.engine.slower == work.engine.slower


def test_a_run_that_went_back_resumes_bit_for_bit(tmp_path):
    """Killed behind a rollback, it ends with the weights of the run that was not killed."""
    changes = {"steps": 30, "checkpoint_every": 5, "auto": True}
    straight, _, _ = trained(tmp_path / "a", "vae", pictures(), **changes)
    for folder, killed in (("b", False), ("c", True)):
        work = session.begin(
            "vae", str(tmp_path / "a/set.data"), tmp_path / folder, CPU, seed=3, changes=TINY | changes
        )
        step, broken = work.engine.step, []

        def ill(batch, work=work, step=step, broken=broken, killed=killed):
            step(batch)
            if work.engine.done == 13 and not broken:
                broken.append(True)
                with torch.no_grad():
                    next(work.training.modules["vae"].parameters()).fill_(math.nan)
            if killed and broken and work.engine.done == 17:
                raise KeyboardInterrupt

        work.engine.step = ill
        if killed:
            with pytest.raises(KeyboardInterrupt):
                work.train()
            assert Run.open(tmp_path / folder).recipe["rollbacks"]
            work = session.resume(tmp_path / folder, CPU)
            assert work.engine.slower == 0.5
            work.train()
        else:
            work.train()
    models = [(tmp_path / f / "model.safetensors").read_bytes() for f in ("b", "c")]
    assert models[0] == models[1]
    assert models[0] != (straight.run.folder / "model.safetensors").read_bytes()  # the rate was halved


def test_without_a_cure_auto_gives_up(tmp_path):
    work, _, error = trained(
        tmp_path,
        "vae",
        pictures(),
        steps=100,
        checkpoint_every=50,
        learning_rate=9.9,
        clip=0,
        warmup=0,
        auto=True,
    )
    if error:  # four halvings of 9.9 may do
        assert "after 4 rollbacks" in error
    assert len(Run.open(work.run.folder).recipe["rollbacks"]) >= 1


def test_gradients_that_explode_are_told(tmp_path):
    work, findings, _ = trained(tmp_path, "vae", pictures(), steps=40, checkpoint_every=40, warmup=0)
    assert rules(findings) == []
    work = session.begin(
        "vae", str(tmp_path / "set.data"), tmp_path / "b", CPU, seed=3, changes=TINY | {"steps": 40}
    )
    step = work.engine.step

    def steep(batch):
        if work.engine.done == 30:
            with torch.no_grad():
                for parameter in work.training.modules["vae"].decoder.leave.parameters():
                    parameter.mul_(10)
        step(batch)

    work.engine.step = steep
    findings = []
    work.train(tell=findings.append)
    assert "exploding gradients" in rules(findings)


def test_a_discriminator_that_knows_its_few_pictures_by_heart(tmp_path):
    few = dataclasses.replace(photographs(64), held_out=np.arange(12, 64))
    changes = {"steps": 200, "checkpoint_every": 50, "learning_rate": 1e-3, "r1": 0.0, "width": 16}
    _, findings, _ = trained(tmp_path, "gan", few, **changes)
    assert "discriminator overfits" in rules(findings)


def test_a_generator_that_makes_one_picture(tmp_path):
    changes = TINY | {"steps": 100, "checkpoint_every": 10, "half_life": 50.0}
    data = stored(tmp_path, photographs(200))
    work = session.begin("dcgan", data, tmp_path / "run", CPU, seed=3, changes=changes)
    entrance, step = next(work.training.modules["generator"].parameters()), work.engine.step

    def collapsing(batch):
        step(batch)
        if work.engine.done > 60:  # what it is asked for is worth less and less
            with torch.no_grad():
                entrance.mul_(0.8)

    work.engine.step = collapsing
    findings = []
    work.train(tell=findings.append)
    assert "mode collapse" in rules(findings)


def test_a_posterior_that_is_the_prior(tmp_path):
    _, findings, _ = trained(tmp_path, "vae", pictures(64), steps=120, checkpoint_every=20, beta=200.0)
    assert "posterior collapse" in rules(findings)


def test_a_run_that_stands_still(tmp_path):
    _, findings, _ = trained(
        tmp_path,
        "vae",
        pictures(64),
        steps=60,
        checkpoint_every=5,
        learning_rate=1e-12,
        half_life=0.0,
        warmup=0,
    )
    assert "stalled" in rules(findings)


def test_a_model_that_learns_its_pictures_by_heart_diverges_on_others(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 1, 8, 8)).astype(np.uint8)  # nothing in common but being noise
    noise = ImageSet("noise", images, None, (), None, np.arange(0, 24, 2), ("made here",), "n")
    changes = {
        "steps": 120,
        "checkpoint_every": 20,
        "learning_rate": 5e-3,
        "half_life": 0.0,
        "beta": 0.01,
        "warmup": 0,
    }
    _, findings, _ = trained(tmp_path, "vae", noise, **changes, width=128, network="mlp")
    assert "diverging" in rules(findings)


def test_a_finding_is_told_once_and_again_after_a_resume_from_before_it():
    row = {"step": 1, "loss": math.nan}
    doctor = Doctor(("kid", True))
    assert rules(doctor.hear(row)) == ["not finite"]
    assert doctor.hear(row) == []
    assert Doctor(("kid", True), [row], [{"rule": "not finite"}]).hear(row) == []
    assert rules(Doctor(("kid", True), [row], []).hear(row)) == ["not finite"]


def test_the_command_line_tells_and_takes_auto(tmp_path, capsys, monkeypatch):
    data = stored(tmp_path, pictures())
    settings = [f"--set={k}={v}" for k, v in (TINY | {"clip": 0, "warmup": 0, "checkpoint_every": 5}).items()]
    begin = [
        "train",
        "vae",
        "--data",
        data,
        "--steps",
        "40",
        "--seed",
        "3",
        *settings,
        "--set",
        "learning_rate=9.9",
    ]
    assert main([*begin, "-o", str(tmp_path / "r")]) == 2
    said = capsys.readouterr().err
    assert "Doctor:" in said
    assert "--auto" in said
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    assert main([*begin, "-o", str(tmp_path / "z")]) == 2
    assert "训练医生" in capsys.readouterr().err
    assert main([*begin, "-o", str(tmp_path / "a"), "--auto"]) in (0, 2)
    assert Run.open(tmp_path / "a").recipe["rollbacks"]
