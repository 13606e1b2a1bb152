"""Pictures out of a StyleGAN: by seeds, truncated, mixed, and from styles that were made some other way.

z of a seed is ``numpy.random.RandomState(seed).randn(1, z_dim)``, as in the published programs, so that a published
model's seeds show its published pictures.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime, keep_freed_memory
from luoxia.models.stylegan import StyleGAN
from luoxia.models.stylegan3 import StyleGAN3
from luoxia.nn.modulated import Kept
from luoxia.weights import stylegan_folder
from luoxia.weights.stylegan_folder import StyleGANFolder

LARGEST_SEED = 2**32 - 1
PSI = (-2.0, 2.0)
BATCH, PIXELS = 8, 8 * 128**2  # pictures at a time, and their pixels: at 1024 one picture's layers fill a GB
Watch = Callable[[int, int], None]  # hears how many of how many pictures are done


class Portraits:
    """A model that is ready to draw. ``network`` keeps the published names: ``mapping(z, c)``, ``synthesis(w)``."""

    def __init__(self, told: StyleGANFolder, runtime: Runtime) -> None:
        self.told, self.runtime = told, runtime
        keep_freed_memory()
        self.network: StyleGAN | StyleGAN3 = told.generator().to(runtime.device)
        self.config = told.network

    @classmethod
    def open(cls, name_or_path: str, runtime: Runtime) -> Portraits:
        return cls(stylegan_folder.find(name_or_path), runtime)

    def twin(self) -> Portraits:
        """The same weights, not copied, with noise maps of its own."""
        parts = [part for module in self.network.modules() for part in vars(module).values()]
        shared = [*self.network.parameters(), *(part for part in parts if isinstance(part, Kept))]
        other = copy.copy(self)
        other.network = copy.deepcopy(self.network, {id(part): part for part in shared})
        return other

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """z (N, z_dim) of each seed."""
        check_seeds(seeds)
        z = [np.random.RandomState(seed).randn(self.config.z_dim) for seed in seeds]
        return torch.from_numpy(np.array(z, np.float32)).to(self.runtime.device)

    def classes(self, seeds: Sequence[int], name: str | None = None) -> Tensor | None:
        """Classes (N,) of the pictures: the one called ``name``, else one that each seed draws; None without classes."""
        count, number = self.config.classes, class_number(self.told, name)
        if not count:
            return None
        if number is None:
            drawn = [np.random.RandomState(seed).randint(0, count) for seed in seeds]
            return torch.tensor(drawn, device=self.runtime.device)
        return torch.full((len(seeds),), number, device=self.runtime.device)

    @property
    def first_class(self) -> str | None:
        """What a film keeps to, where there are classes."""
        if not self.config.classes:
            return None
        return self.told.classes[0] if self.told.classes else "0"

    @torch.inference_mode()
    def styles(
        self,
        seeds: Sequence[int],
        *,
        psi: float = 1.0,
        cutoff: int | None = None,
        name: str | None = None,
    ) -> Tensor:
        """ws (N, num_ws, w_dim) of seeds, drawn to the mean style by ``psi`` for the first ``cutoff`` of them."""
        return self.network.mapping(self.latents(seeds), self.classes(seeds, name), checked_psi(psi), cutoff)

    @torch.inference_mode()
    def pictures(
        self, ws: Tensor, *, noise_mode: str = "const", seed: int = 0, watch: Watch = lambda *_: None
    ) -> np.ndarray:
        """uint8 (N, C, size, size) of styles (N, num_ws, w_dim)."""
        noise = torch.Generator(self.runtime.device).manual_seed(seed)
        done = []
        batch = max(1, min(BATCH, PIXELS // self.config.size**2))
        for start in range(0, len(ws), batch):
            done.append(to_bytes(self.raw(ws[start : start + batch], noise_mode, noise)))
            watch(min(start + batch, len(ws)), len(ws))
        return np.concatenate(done)

    def raw(self, ws: Tensor, noise_mode: str = "const", noise: torch.Generator | None = None) -> Tensor:
        """Pictures (N, C, size, size) about [-1, 1], convolutions in the runtime's precision."""
        kind, dtype = self.runtime.device.type, self.runtime.dtype
        with torch.autocast(kind, dtype, enabled=dtype != torch.float32):
            return self.network.synthesis(ws, noise_mode, noise).float()

    def mixed(self, rows: Tensor, columns: Tensor, styles: Sequence[int]) -> Tensor:
        """ws (R, C, num_ws, w_dim): each of ``rows`` with the ``styles`` of each of ``columns``.

        The first styles are pose and shape, the last ones colour (Karras et al. 2018, arXiv:1812.04948, section 3.1).
        """
        check_styles(self.told, styles)
        made = rows[:, None].repeat(1, len(columns), 1, 1)
        made[:, :, list(styles)] = columns[None][:, :, list(styles)]
        return made

    def mixing_table(
        self, rows: Tensor, columns: Tensor, styles: Sequence[int], watch: Watch = lambda *_: None
    ) -> np.ndarray:
        """:meth:`mixed` as pictures ((R + 1) (C + 1), channels, size, size), row by row: a white one and those of ``columns``
        first, and each row begins with its own."""
        r, c = len(rows), len(columns)
        drawn = self.pictures(
            torch.cat([columns, rows, self.mixed(rows, columns, styles).flatten(0, 1)]), watch=watch
        )
        top, left, inner = drawn[:c], drawn[c : c + r], drawn[c + r :]
        return table(top, left, inner)


def table(top: np.ndarray, left: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Pictures (C, ...), (R, ...) and (R C, ...) as those of a table with headings, ((R + 1) (C + 1), ...)."""
    r, c = len(left), len(top)
    corner = np.full_like(top[:1], 255)
    lines = [np.concatenate([left[i : i + 1], inner[i * c : (i + 1) * c]]) for i in range(r)]
    return np.concatenate([corner, top, *lines])


def to_bytes(pictures: Tensor) -> np.ndarray:
    """[-1, 1] to uint8, rounded and cut off."""
    return (pictures * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def check_seeds(seeds: Sequence[int]) -> None:
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise UserError(
                f"seed {seed} is out of range: give 0 to {LARGEST_SEED}",
                f"种子 {seed} 超出范围：请给 0 到 {LARGEST_SEED}",
            )


def class_number(told: StyleGANFolder, name: str | None) -> int | None:
    """Of the class called ``name``; None where none is named."""
    count = told.network.classes
    if name is None:
        return None
    if not count:
        raise UserError(
            f"{told.name} knows no classes: leave --class out", f"{told.name} 没有类别：请勿给 --class"
        )
    known = told.classes or tuple(str(i) for i in range(count))
    if name not in known:
        raise UserError(
            f"{told.name} has no class {name!r}; it has {', '.join(known)}",
            f"{told.name} 没有类别 {name!r}；有 {'、'.join(known)}",
        )
    return known.index(name)


def check_styles(told: StyleGANFolder, styles: Sequence[int]) -> None:
    """Of a mixture: which of the model's styles come from the columns."""
    count = told.network.num_ws
    if not styles or min(styles) < 0 or max(styles) >= count:
        raise UserError(
            f"{told.name} has styles 0 to {count - 1}: give some of them, as in --styles 0-3",
            f"{told.name} 的样式为 0 到 {count - 1}：请从中选择，如 --styles 0-3",
        )


def checked_psi(psi: float) -> float:
    if not PSI[0] <= psi <= PSI[1]:
        raise UserError(
            f"truncation is {psi:g}; give {PSI[0]:g} to {PSI[1]:g}, where 1 changes nothing and 0 is the mean face",
            f"截断为 {psi:g}；请给 {PSI[0]:g} 到 {PSI[1]:g}，1 表示不变，0 为平均脸",
        )
    return psi


def numbers(text: str, what: str) -> list[int]:
    """Whole numbers as people list them: ``0-31``, ``3,8,21,3``, ``1,4-6``."""
    found: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            low, high = int(first), int(last) if dash else int(first)
            if not 0 <= low <= high or len(found) + high - low >= 10_000:
                raise ValueError(part)
            found += range(low, high + 1)
    except ValueError as error:
        raise UserError(
            f"{what} {text[:60]!r}: write numbers and ranges, as in 0-31 or 3,8,21, at most 10,000",
            f"{what} {text[:60]!r}：请写数字与范围，如 0-31 或 3,8,21，至多一万个",
        ) from error
    return found
