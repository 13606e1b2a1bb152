"""OpenAI's discrete autoencoder: the published layout read, outputs equal to the paper's description, no code run."""

from __future__ import annotations

import pickle
import sys
import types
import zipfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from luoxia.cli.main import main
from luoxia.core.errors import MalformedFileError, UserError
from luoxia.models.openai_dvae import OpenAIDVAE, OpenAIDVAEConfig
from luoxia.nn.pixel_map import map_pixels
from luoxia.weights import drawing_folder, openai_dvae
from luoxia.weights.module_archive import read_module

TINY = OpenAIDVAEConfig(n_hid=8, n_init=6, n_blk_per_group=2, vocab_size=20, size=32)


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights in the published layout, written out from the paper's table and not from our module."""
    draw = torch.Generator().manual_seed(seed)
    found = {}

    def conv(name: str, n_in: int, n_out: int, k: int) -> None:
        found[f"{name}.w"] = torch.randn(n_out, n_in, k, k, generator=draw) / (n_in * k * k) ** 0.5
        found[f"{name}.b"] = torch.randn(n_out, generator=draw) * 0.1

    n, first, codes = 8, 6, 20
    for half, kernels, widths in (
        ("encoder", (3, 3, 3, 1), [n, n, 2 * n, 4 * n, 8 * n]),
        ("decoder", (1, 3, 3, 3), [first, 8 * n, 4 * n, 2 * n, n]),
    ):
        conv(f"{half}.blocks.input", *((3, n, 7) if half == "encoder" else (codes, first, 1)))
        for group in range(4):
            for block in range(2):
                n_in, n_out = widths[group] if block == 0 else widths[group + 1], widths[group + 1]
                name = f"{half}.blocks.group_{group + 1}.block_{block + 1}"
                if n_in != n_out:
                    conv(f"{name}.id_path", n_in, n_out, 1)
                between = [n_in, n_out // 4, n_out // 4, n_out // 4, n_out]
                for i, k in enumerate(kernels):
                    conv(f"{name}.res_path.conv_{i + 1}", between[i], between[i + 1], k)
        last = (8 * n, codes, 1) if half == "encoder" else (n, 6, 1)
        conv(f"{half}.blocks.output.conv", *last)
    return found


def reference(half: str, x: torch.Tensor, w: dict[str, torch.Tensor]) -> torch.Tensor:
    """The network as appendix A.3 describes it, straight through."""

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        weight = w[f"{half}.blocks.{name}.w"]
        return F.conv2d(x, weight, w[f"{half}.blocks.{name}.b"], padding=weight.shape[2] // 2)

    x = conv("input", x)
    for group in range(1, 5):
        for block in (1, 2):
            name = f"group_{group}.block_{block}"
            skip = conv(f"{name}.id_path", x) if f"{half}.blocks.{name}.id_path.w" in w else x
            y = x
            for i in range(1, 5):
                y = conv(f"{name}.res_path.conv_{i}", y.relu())
            x = skip + y / 8**2
        if group < 4:
            x = F.max_pool2d(x, 2) if half == "encoder" else F.interpolate(x, scale_factor=2, mode="nearest")
    return conv("output.conv", x.relu())


def halves(w: dict[str, torch.Tensor], half: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(f"{half}."): v for k, v in w.items() if k.startswith(half)}


def modules(w: dict[str, torch.Tensor], half: str, folder: Path) -> Path:
    """A whole module of classes of a package dall_e, as ``torch.save`` writes it."""
    package, room = types.ModuleType("dall_e"), types.ModuleType(f"dall_e.{half}")
    sys.modules["dall_e"], sys.modules[room.__name__] = package, room
    kinds = {}
    for kind in ("Encoder", "Decoder", "Block", "Conv2d"):
        kinds[kind] = type(kind, (nn.Module,), {"__module__": room.__name__})
        setattr(room, kind, kinds[kind])
    root = kinds[half.capitalize()]()
    root.device, root.requires_grad_asked = torch.device("cpu"), False
    for name, tensor in halves(w, half).items():
        at: nn.Module = root
        *path, leaf = name.split(".")
        for i, part in enumerate(path):
            if not hasattr(at, part):
                at.add_module(part, kinds["Conv2d" if i == len(path) - 1 else "Block"]())
            at = getattr(at, part)
        at.register_parameter(leaf, nn.Parameter(tensor))
    file = folder / f"{half}.pkl"
    try:
        torch.save(root, file)
    finally:
        del sys.modules["dall_e"], sys.modules[room.__name__]
    return file


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    for half in ("encoder", "decoder"):
        modules(weights(), half, folder)
    return folder


def test_outputs_are_the_reference(published):
    model, w = openai_dvae.read(published), weights()
    assert model.config.n_hid == 8
    assert (model.config.vocab_size, model.config.n_init, model.config.n_blk_per_group) == (20, 6, 2)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    logits = reference("encoder", map_pixels(x), w)
    torch.testing.assert_close(model.logits(x), logits, atol=1e-5, rtol=1e-5)
    codes = model.encode_ids(x)
    assert torch.equal(codes, logits.argmax(1).flatten(1))
    one_hot = F.one_hot(codes.view(2, 4, 4), 20).permute(0, 3, 1, 2).float()
    output = reference("decoder", one_hot, w)
    torch.testing.assert_close(model.output(codes.view(2, 4, 4)), output, atol=1e-5, rtol=1e-5)
    expected = ((output[:, :3].sigmoid() - 0.1) / 0.8).clamp(0, 1) * 2 - 1
    torch.testing.assert_close(model.decode_ids(codes), expected, atol=1e-5, rtol=1e-5)


def test_the_published_size():
    with torch.device("meta"):
        model = OpenAIDVAE(OpenAIDVAEConfig())
    count = {
        half: sum(p.numel() for p in getattr(model, half).parameters()) for half in ("encoder", "decoder")
    }
    assert count == {"encoder": 53_786_240, "decoder": 43_829_766}
    assert (model.config.side, model.config.codes) == (32, 8192)


def test_every_form_gives_the_same_weights(published, tmp_path):
    w = weights()
    both = tmp_path / "both.safetensors"
    save_file(w, both)
    plain = tmp_path / "plain"
    plain.mkdir()
    torch.save(halves(w, "encoder"), plain / "encoder.pt")
    save_file(halves(w, "decoder"), plain / "decoder.safetensors")
    for source in (published, both, plain):
        assert openai_dvae.is_one(source)
        found = openai_dvae.read(source).state_dict()
        assert found.keys() == w.keys()
        assert all(torch.equal(found[k], w[k]) for k in w)
    assert not openai_dvae.is_one(tmp_path)


def test_imported_it_serves_as_a_dvae(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    assert main(["models", "import", str(published), "--as", "dall-e"]) == 0
    assert "32 x 32 of 20 codes" in capsys.readouterr().err
    network = drawing_folder.find("dall-e").part("dvae").network()
    assert isinstance(network, OpenAIDVAE)
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(network.encode_ids(x), openai_dvae.read(published).encode_ids(x))
    with pytest.raises(UserError, match="already"):
        openai_dvae.keep(published, "dall-e")
    with pytest.raises(UserError, match="no name"):
        openai_dvae.keep(published, "../x")
    with pytest.raises(UserError, match="has no dalle"):
        drawing_folder.find("dall-e").part("dalle")


class _Evil:
    def __reduce__(self):
        return (eval, ("__import__('pathlib').Path('owned').touch()",))


@pytest.mark.parametrize("where", ["root", "state"])
def test_nothing_of_a_pickle_is_executed(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thing = nn.Linear(2, 2)
    if where == "state":
        thing.hidden = _Evil()  # type: ignore[assignment]
    torch.save(_Evil() if where == "root" else thing, "encoder.pkl")
    with pytest.raises(MalformedFileError, match="eval"):
        read_module(Path("encoder.pkl"))
    assert not Path("owned").exists()


def test_damage_is_told(published, tmp_path):
    whole = (published / "encoder.pkl").read_bytes()
    cut = tmp_path / "cut.pkl"
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        cut.write_bytes(whole[:size])
        with pytest.raises(MalformedFileError):
            read_module(cut)
    with zipfile.ZipFile(published / "encoder.pkl") as given, zipfile.ZipFile(cut, "w") as taken:
        for member in given.namelist():
            data = given.read(member)
            taken.writestr(member, data[:-4] if member.endswith("data/3") else data)
    with pytest.raises(MalformedFileError, match="another length"):
        read_module(cut)
    with zipfile.ZipFile(cut, "w") as taken:
        taken.writestr("a/data.pkl", pickle.dumps({"x": 1}))
    with pytest.raises(MalformedFileError, match="no module"):
        read_module(cut)


def test_layers_that_do_not_fit_are_named(tmp_path):
    w = weights()
    del w["decoder.blocks.group_2.block_1.res_path.conv_3.b"]
    path = tmp_path / "short.safetensors"
    save_file(w, path)
    with pytest.raises(MalformedFileError, match=r"group_2\.block_1\.res_path\.conv_3\.b"):
        openai_dvae.read(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(MalformedFileError, match="no discrete VAE"):
        openai_dvae.read(path)
    with pytest.raises(ValueError, match="n_hid is 6"):
        OpenAIDVAEConfig(n_hid=6)
    assert TINY.side == 4
