"""A StyleGAN from elsewhere becomes one of the user's own: a published pickle, or what a run has trained."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.weights import originals, stylegan_folder, stylegan_pickle
from luoxia.weights.catalogue import new_place
from luoxia.weights.state_dict import read_state_dict
from luoxia.weights.stylegan_folder import StyleGANFolder


def keep(source: Path, name: str) -> StyleGANFolder:
    """Lay the model in ``source`` down under ``name``. Raises :class:`UserError` for a name that is taken or no name,
    ``MalformedFileError`` for a source that holds no StyleGAN."""
    folder = new_place(name)
    if source.is_dir():
        _keep_run(source, folder)
    elif source.is_file():
        _keep_pickle(source, folder)
    else:
        raise UserError(f"there is no {source}", f"没有 {source}")
    return stylegan_folder.read(folder, name)


def _keep_pickle(source: Path, folder: Path) -> None:
    networks = stylegan_pickle.read(source)
    training = {f"generator.{k}": v for k, v in networks.generator.state_dict().items()}
    if networks.discriminator is not None:
        training |= {f"discriminator.{k}": v for k, v in networks.discriminator.state_dict().items()}
    stylegan_folder.write(
        folder,
        networks.generator,
        training=training if networks.discriminator is not None else None,
        source=f"imported from {source.name}",
        half=False,
    )


def _keep_run(source: Path, folder: Path) -> None:
    run = stylegan_folder.find(source)
    states = sorted(source.glob("train_state/step-????????/state.safetensors"))
    training = dict[str, Tensor]()
    if states:
        tensors = read_state_dict(states[-1])
        training = {
            k[5:].replace("/", ".", 1): v
            for k, v in tensors.items()
            if k.startswith("live.") and v.is_floating_point()
        }
    facts = {k: v for k, v in run.facts.items() if k != "run"} | {"trained_in": source.resolve().name}
    if states:
        facts["step"] = int(states[-1].parent.name[5:])
    stylegan_folder.write(
        folder,
        run.generator(),
        training=training,
        classes=run.classes,
        licence=run.licence,
        source=run.source,
        facts=facts,
    )
    originals.carry(source, folder)
