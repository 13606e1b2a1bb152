"""Published StyleGAN2 and 3 files: networks come out as they went in, and nothing else in a file gets its way."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch

from luoxia.core.errors import MalformedFileError
from luoxia.models.discriminator import DiscriminatorConfig, StyleDiscriminator
from luoxia.models.stylegan import StyleGAN, StyleGANConfig
from luoxia.weights import stylegan_pickle
from luoxia.weights.stylegan_pickle import read

PUBLISHED = os.environ.get("LUOXIA_STYLEGAN2_PICKLES", "")


class Published:
    """An object that pickles as NVIDIA's classes do: by their reconstruction function, with their program text."""

    def __init__(self, name, state):
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "import os; os.system('touch hacked')",
            "class_name": name,
            "state": state,
        }

    def __reduce__(self):
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


@pytest.fixture(autouse=True)
def nvidia(monkeypatch):
    """The module that such files refer to, while they are written."""
    module = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("never called")

    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", module)
    monkeypatch.setitem(sys.modules, "torch_utils", types.ModuleType("torch_utils"))


def published(module: torch.nn.Module, **options) -> Published:
    state = {
        "_parameters": dict(module._parameters),
        "_buffers": {**module._buffers, "resample_filter": torch.ones(4, 4)},
        "_modules": {k: published(v) for k, v in module._modules.items() if v is not None},
        "_init_kwargs": options,
    }
    return Published(type(module).__name__, state)


def networks(classes=0, output="skip", clamp=0.0):
    torch.manual_seed(classes)
    config = StyleGANConfig(
        16, 3, 8, 8, classes, mapping_layers=2, channel_base=64, channel_max=8, output=output, clamp=clamp
    )
    generator = StyleGAN(config).eval()
    second = DiscriminatorConfig(
        16, 3, classes, channel_base=64, channel_max=8, mapping_layers=3, clamp=clamp
    )
    discriminator = StyleDiscriminator(second).eval()
    for tensor in generator.state_dict().values():
        if not tensor.ndim:
            tensor.fill_(0.3)  # noise that would not show at its initial strength, 0
    common = {"c_dim": classes, "img_resolution": 16, "img_channels": 3}
    widths = {"channel_base": 64, "channel_max": 8, "conv_clamp": clamp or None}
    g = published(
        generator,
        z_dim=8,
        w_dim=8,
        **common,
        mapping_kwargs={"num_layers": 2},
        synthesis_kwargs={**widths, "architecture": output, "num_fp16_res": 0},
    )
    d = published(
        discriminator,
        **common,
        **widths,
        mapping_kwargs={"num_layers": 3},
        epilogue_kwargs={"mbstd_group_size": 4},
    )
    return (
        generator,
        discriminator,
        {"G": None, "D": d, "G_ema": g, "training_set_kwargs": {"p": np.float64(0.5)}},
    )


def written(tmp_path, content) -> Path:
    path = tmp_path / "network.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return path


@pytest.mark.parametrize(
    ("classes", "output", "clamp"), [(0, "skip", 0.0), (3, "skip", 256.0), (0, "orig", 0.0)]
)
def test_networks_come_out_as_they_went_in(classes, output, clamp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator, discriminator, content = networks(classes, output, clamp)
    found = read(written(tmp_path, content))
    z = torch.randn(4, 8)
    c = torch.eye(3)[[0, 1, 2, 0]] if classes else None
    with torch.no_grad():
        pictures = generator(z, c, noise_mode="const")
        assert torch.equal(found.generator(z, c, noise_mode="const"), pictures)
        assert found.discriminator is not None
        assert torch.equal(found.discriminator(pictures, c), discriminator(pictures, c))
    assert not (tmp_path / "hacked").exists()


NAMED = {"StyleGAN3": "Generator", "Mapping": "MappingNetwork", "Synthesis": "SynthesisNetwork"}
NAMED |= {"FourierInput": "SynthesisInput", "FilteredConv": "SynthesisLayer", "Dense": "FullyConnectedLayer"}


def third(classes=0, radial=False, wrong=None):
    """A StyleGAN3, and what its authors' programs would write of it: attributes of NumPy's kinds beside the tensors."""
    made = tiny_faces.third(classes, radial=radial)

    def described(module, **options):
        state = {
            "_parameters": dict(module._parameters),
            "_buffers": {"up_filter": None, **module._buffers},
            "_non_persistent_buffers_set": set(),
            "_modules": {k: described(v) for k, v in module._modules.items() if v is not None},
            "_init_kwargs": options,
            "size": np.array([36, 36]),
            "bandwidth": np.float64(2.0),
            "use_fp16": np.bool_(True),
        }
        return Published(NAMED[type(module).__name__], state)

    rotating = {"conv_kernel": 1, "use_radial_filters": True} if radial else {}
    options = {"c_dim": classes, "img_resolution": 16, "img_channels": 3, "z_dim": 8, "w_dim": np.int64(8)}
    options |= {"channel_base": 128, "channel_max": 8, "mapping_kwargs": {"num_layers": 2}, **rotating}
    options |= {"num_layers": 6, "output_scale": np.float64(0.5)}
    options |= {"magnitude_ema_beta": 0.9988915792636801, "num_fp16_res": 4, **(wrong or {})}
    return made, {"G": None, "D": Published("Discriminator", {}), "G_ema": described(made, **options)}


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(("classes", "radial"), [(0, False), (3, True)])
def test_a_stylegan3_comes_out_as_it_went_in(classes, radial, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made, content = third(classes, radial)
    found = read(written(tmp_path, pickle.dumps(content, protocol)))
    assert (found.generator.config, found.discriminator) == (made.config, None)
    own, back = made.state_dict(), found.generator.state_dict()
    assert own.keys() == back.keys()
    assert all(torch.equal(own[k], back[k]) for k in own)
    z, c = torch.randn(2, 8), torch.eye(3)[:2] if classes else None
    assert torch.equal(found.generator(z, c), made(z, c))
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"margin_size": 9}, r"synthesis\.L0_34_8\.weight is missing"),
        ({"channel_max": 6}, r"synthesis\.input\.weight is \(8, 8\), where \(6, 6\) is needed"),
        ({"filter_size": 8}, r"synthesis\.L0_36_8\.up_filter is \(12,\), where \(16,\) is needed"),
        ({"num_layers": 5}, r"synthesis\.L4_16_8\.weight is missing"),
        ({"noise_strength": 1}, "the option 'noise_strength', which is not StyleGAN3's"),
        ({"mapping_kwargs": {"size": 64}}, "the option 'size', which is not StyleGAN3's"),
        ({"channel_max": 1 << 62}, "channel_max is"),
        ({"img_resolution": 1 << 30}, "pictures of 16, 32, 64"),
        ({"first_cutoff": float("nan")}, "first_cutoff is nan"),
        ({"conv_clamp": float("inf")}, "clamp is inf"),
        ({"output_scale": "much"}, "could not convert"),
        ({"num_critical": Published("SynthesisLayer", {})}, "int"),
    ],
)
def test_a_stylegan3_that_does_not_fit_its_options_is_named(wrong, words, tmp_path):
    with pytest.raises(MalformedFileError, match=words):
        read(written(tmp_path, third(wrong=wrong)[1]))


def test_no_clamp_is_none(tmp_path):
    assert read(written(tmp_path, third(wrong={"conv_clamp": None})[1])).generator.config.clamp == 0


@pytest.mark.skipif(not PUBLISHED, reason="LUOXIA_STYLEGAN2_PICKLES names no folder of reference checkpoints")
@pytest.mark.parametrize("name", ["uncond32", "cond32"])
def test_the_reference_makes_the_same_pictures(name):
    found = read(Path(PUBLISHED) / f"{name}.pkl")
    kept = {k: torch.from_numpy(v) for k, v in np.load(Path(PUBLISHED) / f"{name}.npz").items()}
    c = kept.get("c")
    with torch.no_grad():
        assert (found.generator.mapping(kept["z"], c) - kept["w"]).abs().max() < 1e-5
        ws = found.generator.mapping(kept["z"], c, truncation_psi=0.7)
        for mode in ("const", "none"):
            pictures = found.generator.synthesis(ws, noise_mode=mode)
            assert (pictures - kept[f"img_{mode}"]).abs().max() < 1e-4
        assert found.discriminator is not None
        logits = found.discriminator(kept["img_const"], c)
        assert (logits - kept["d_logits"][:, 0]).abs().max() < 1e-4


class Calls:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def storage_bytes(inner) -> bytes:
    """A storage of PyTorch's old format whose description is ``inner``."""
    parts = [
        0x1950A86A20F9469CFC6C,
        1001,
        {"little_endian": True, "protocol_version": 1001, "type_sizes": {}},
        inner,
    ]
    return b"".join(pickle.dumps(part, 2) for part in parts)


def zipped(content) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


HARMFUL = {
    "os.system": lambda: Calls(os.system, "touch hacked"),
    "eval": lambda: Calls(eval, "open('hacked', 'w')"),
    "open": lambda: Calls(open, "hacked", "w"),
    "getattr": lambda: Calls(getattr, "os", "system"),
    "torch.load": lambda: Calls(torch.load, "x"),
    "import": lambda: Calls(__import__, "hacked"),
    "in a storage": lambda: Calls(
        torch.storage._load_from_bytes, storage_bytes(Calls(os.system, "touch hacked"))
    ),
    "in a zip in a storage": lambda: Calls(
        torch.storage._load_from_bytes, zipped(Calls(os.system, "touch hacked"))
    ),
    "in an array": lambda: np.array([Calls(os.system, "touch hacked")], object),
    "in a set": lambda: {Calls(os.system, "touch hacked")},
    "in a StyleGAN3's options": lambda: third(wrong={"margin_size": Calls(os.system, "touch hacked")})[1],
    "in a StyleGAN3's input": lambda: {
        "G_ema": Published("SynthesisInput", {"size": Calls(os.system, "touch hacked")})
    },
    "in a generator": lambda: {
        "G_ema": Published("Generator", {"_modules": {"x": Calls(os.system, "touch hacked")}})
    },
}


@pytest.mark.parametrize("kind", list(HARMFUL))
def test_nothing_in_a_file_is_executed(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = HARMFUL[kind]()
    path = written(tmp_path, content if isinstance(content, dict) else {"G_ema": content})
    with pytest.raises(MalformedFileError, match="cannot be read as a StyleGAN pickle"):
        read(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["network.pkl"]


def test_a_foreign_class_is_named(tmp_path):
    with pytest.raises(MalformedFileError, match=r"posix\.system|nt\.system"):
        read(written(tmp_path, {"G_ema": Calls(os.system, "x")}))


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        (np.float64(0.25), 0.25),
        (np.float32(0.25), 0.25),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.complex128(1), None),
        (np.str_("x"), None),
    ],
)
def test_numbers_of_numpy_are_plain_ones(value, read_as):
    found = stylegan_pickle._Unpickler(io.BytesIO(pickle.dumps(value))).load()
    assert (found, type(found)) == (read_as, type(read_as))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (-1, (1,), (1,)),
        (0, (2, 2), (3, 1)),
        (0, (10**9,), (0,)),
        (0, (-1,), (1,)),
        (0, (2,), (1, 1)),
    ],
)
def test_tensors_stay_within_their_storage(offset, size, stride):
    storage = stylegan_pickle.Storage(torch.float32, torch.arange(4.0))
    with pytest.raises(stylegan_pickle.Refused):
        stylegan_pickle.tensor_over(storage, offset, size, stride)
    assert stylegan_pickle.tensor_over(storage, 1, (3,), (1,)).tolist() == [1, 2, 3]


def test_what_does_not_fit_is_named(tmp_path):
    _, _, content = networks()
    parameters = content["G_ema"].meta["state"]["_modules"]["synthesis"].meta["state"]["_modules"]["b4"]
    tensors = parameters.meta["state"]["_parameters"]
    const = tensors.pop("const")
    with pytest.raises(MalformedFileError, match=r"synthesis\.b4\.const is missing"):
        read(written(tmp_path, content))
    tensors["const"] = torch.zeros(3, 4, 4)
    with pytest.raises(MalformedFileError, match=r"synthesis\.b4\.const is \(3, 4, 4\)"):
        read(written(tmp_path, content))
    tensors |= {"const": const, "more": torch.zeros(1)}
    with pytest.raises(MalformedFileError, match=r"synthesis\.b4\.more has no place"):
        read(written(tmp_path, content))


def test_cut_and_random_bytes_are_told(tmp_path):
    _, _, content = networks()
    whole = pickle.dumps(content)
    random = np.random.default_rng(0)
    for broken in [b"", b"hello", whole[: len(whole) // 2], pickle.dumps([1, 2]), pickle.dumps({"G_ema": 3})]:
        with pytest.raises(MalformedFileError):
            read(written(tmp_path, broken))
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 8):
            data[place] = random.integers(256)
        with contextlib.suppress(MalformedFileError):  # a changed weight is still a weight
            read(written(tmp_path, bytes(data)))
