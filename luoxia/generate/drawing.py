"""Pictures from words: a dVAE, a DALL·E, and where they are there a CLIP that ranks and an upscaler, at work together.

Picture i of a seed follows from (seed, i) alone, in whatever company it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core import seeds
from luoxia.core.errors import UserError
from luoxia.core.pixels import to_bytes
from luoxia.core.runtime import Runtime, keep_freed_memory
from luoxia.generate.canvas import Canvas
from luoxia.generate.codes import FREE, Drawn, draw_codes, untold_ids
from luoxia.generate.drawing_order import MOST_CANDIDATES, Knobs, check_counts, check_strength
from luoxia.generate.enlarging import LARGEST, enlarged
from luoxia.generate.prompts import Prompt, prepared
from luoxia.generate.sight import LONGEST, Sight
from luoxia.models.dalle import Dalle
from luoxia.models.dvae import DiscreteVAE
from luoxia.models.upscaler import Upscaler
from luoxia.weights import clip_folder, drawing_folder
from luoxia.weights.drawing_folder import DrawingFolder

AT_ONCE = 16  # pictures that are drawn side by side
TIMES = 8  # candidates for each picture that is asked for, where a CLIP can choose among them
Preview = Callable[[NDArray[np.int64], int, int], None]
"""Hears the codes (b, n) of some pictures, ``FREE`` where they are not decided, how many codes are decided in all, and of
how many."""


@dataclass(frozen=True)
class Pictures:
    """``pixels`` (n, C, S, S) uint8, the best first where they were ranked; ``codes`` (n, h w) of them; ``numbers`` which
    samples of the seed they are; ``scores`` (n,) cosines of CLIP, or None."""

    pixels: NDArray[np.uint8]
    codes: NDArray[np.int64]
    numbers: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    prompt: Prompt | None
    seed: int


class Drawing:
    """A model that is ready to draw. ``sight`` ranks, in the place of the CLIP that it may have itself."""

    def __init__(self, told: DrawingFolder, runtime: Runtime, sight: Sight | None = None) -> None:
        self.told, self.runtime = told, runtime
        keep_freed_memory()
        parts = told.part("dvae"), told.part("dalle")
        dvae = parts[0].network()
        drawing_folder.check(parts[1], parts[0], drawing_folder.fingerprint(dvae))
        self.dvae: DiscreteVAE = dvae.to(runtime.device)
        self.dalle: Dalle = parts[1].network().to(runtime.device)
        self.tokenizer = parts[1].reader()
        if sight is None and "clip" in told.parts:
            sight = Sight(clip_folder.read(told.folder, told.name), runtime.device)
        self.sight = sight
        self.upscaler: Upscaler | None = None
        if "upscaler" in told.parts:
            large: Upscaler = told.part("upscaler").network()
            self.upscaler = large.to(runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.blank = self.codes_of(np.full((1, self.channels, self.size, self.size), 255, np.uint8))[0]

    @classmethod
    def open(cls, name_or_path: str, runtime: Runtime, clip: str | None = None) -> Drawing:
        """``clip`` names a model whose CLIP ranks in the place of its own."""
        sight = None if clip is None else Sight(clip_folder.find(clip), runtime.device)
        return cls(drawing_folder.find(name_or_path), runtime, sight)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return self.dvae.config.size

    @property
    def full_size(self) -> int:
        """Of the pictures as they leave where no size is asked for: enlarged once, where there is an upscaler and room."""
        if self.upscaler is None:
            return self.size
        return max(self.size, min(self.size * self.upscaler.config.scale, LARGEST))

    @property
    def channels(self) -> int:
        return self.dvae.config.channels

    @property
    def places(self) -> int:
        return self.dalle.config.places

    def prompt(self, text: str) -> Prompt:
        return prepared(text, self.tokenizer, self.dalle.config.text_length)

    def draw(
        self,
        text: str | None,
        n: int = 1,
        *,
        seed: int | None = None,
        knobs: Knobs = Knobs(),
        candidates: int | None = None,
        given: NDArray[np.int64] | None = None,
        watch: Preview = lambda *_: None,
    ) -> Pictures:
        """``n`` pictures of ``text``, or of anything where it is None: the best of ``candidates`` by CLIP, where one is
        there. ``given`` (h w,) or (candidates, h w) are codes to keep; of what is drawn between them, only the better
        half is ranked, by how well it leads up to them."""
        seed, prompt = seeds.checked(seed), None if text is None else self.prompt(text)
        count = self._candidates(n, candidates, ranked=prompt is not None)
        ids = untold_ids(self.dalle.config.text_length) if prompt is None else torch.tensor(prompt.ids)
        knobs = replace(knobs, guidance=1.0) if prompt is None else knobs
        fixed = None if given is None else np.broadcast_to(given, (count, self.places))
        drawn = self._drawn(ids, count, seed, knobs, fixed, watch)
        numbers, fit = np.arange(count), drawn.fit.cpu().numpy()
        if given is not None and count > n and (fit != 0).any():
            numbers = np.sort(np.argsort(-fit, kind="stable")[: max(n, count // 2)])
        codes = drawn.codes.cpu().numpy()[numbers]
        pixels, scores = self.pixels(codes), None
        if prompt is not None and self.sight is not None:
            scores = self.scores(pixels, prompt.text)
            order = np.argsort(-scores, kind="stable")[:n]
            pixels, codes, numbers, scores = pixels[order], codes[order], numbers[order], scores[order]
        return Pictures(pixels[:n], codes[:n], numbers[:n], scores, prompt, seed)

    def complete(self, on: Canvas, text: str | None, n: int = 1, **options) -> Pictures:
        """Pictures whose given part has the codes of ``on``, exactly. The options are those of :meth:`draw`."""
        codes = self.codes_of_picture(on.pixels)
        return self.draw(text, n, given=np.where(on.free(self.dalle.config.side), FREE, codes), **options)

    def vary(self, picture: NDArray[np.uint8], n: int = 1, **options) -> Pictures:
        """Pictures like ``picture`` (3, S, S). The options are those of :meth:`vary_codes`."""
        return self.vary_codes(self.codes_of_picture(picture), n, **options)

    def vary_codes(
        self,
        codes: NDArray[np.int64],
        n: int = 1,
        *,
        strength: float = 0.5,
        text: str | None = None,
        seed: int | None = None,
        **options,
    ) -> Pictures:
        """Pictures like the one of ``codes`` (h w,): each code is drawn anew with probability ``strength``."""
        check_strength(strength)
        seed, count = (
            seeds.checked(seed),
            self._candidates(n, options.get("candidates"), ranked=text is not None),
        )
        # Of a stream of their own: the same numbers would choose what is drawn and how.
        free = np.stack(
            [seeds.generator(seed, count + i).random(self.places) < strength for i in range(count)]
        )
        options["candidates"] = count
        return self.draw(text, n, seed=seed, given=np.where(free, FREE, codes), **options)

    def codes_of_picture(self, picture: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(3, S, S) uint8 -> (h w,)."""
        return self.codes_of(self._channels(picture)[None])[0]

    def codes_of(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(N, C, S, S) uint8 -> (N, h w)."""
        x = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.runtime.device).float().div_(127.5).sub_(1)
        with torch.inference_mode():
            return self.dvae.encode_ids(x).cpu().numpy()

    def pixels(self, codes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(N, h w) -> (N, C, S, S) uint8; white where codes are not decided."""
        whole = np.where(codes == FREE, self.blank, codes)
        parts = torch.from_numpy(whole).to(self.runtime.device).split(AT_ONCE)
        with torch.inference_mode():
            x = torch.cat([self.dvae.decode_ids(part) for part in parts])
        return to_bytes(x)

    def scores(self, pixels: NDArray[np.uint8], text: str) -> NDArray[np.float32]:
        """Cosines of CLIP between pictures and a caption, (N,)."""
        if self.sight is None:
            raise UserError(
                f"{self.told.name} has no CLIP to rank pictures by", f"{self.told.name} 没有可用于排序的 CLIP"
            )
        return self.sight.of_pictures(pixels) @ self.sight.of_texts([text[:LONGEST]])[0]

    def enlarged(self, pixels: NDArray[np.uint8], size: int | None = None) -> NDArray[np.uint8]:
        """(n, C, S, S) -> (n, C, size, size), as :func:`luoxia.generate.enlarging.enlarged` does it; at ``full_size``
        where no size is asked for."""
        return enlarged(self.upscaler, pixels, self.full_size if size is None else size, self.runtime)

    def _candidates(self, n: int, asked: int | None, *, ranked: bool) -> int:
        check_counts(n, asked)
        if asked is None:
            return min(n * TIMES, MOST_CANDIDATES) if self.sight is not None and ranked else n
        return asked

    def _drawn(
        self,
        ids: Tensor,
        count: int,
        seed: int,
        knobs: Knobs,
        given: NDArray[np.int64] | None,
        watch: Preview,
    ) -> Drawn:
        parts, total = [], count * self.places
        for at in range(0, count, AT_ONCE):
            # Always as many, so that not even the rounding of a picture depends on the others.
            some = range(at, at + AT_ONCE)
            uniforms = np.stack([seeds.generator(seed, i).random(self.places) for i in some])
            fixed = None if given is None else torch.from_numpy(given[[min(i, count - 1) for i in some]])
            asked = min(AT_ONCE, count - at)

            def hear(codes: Tensor, done: int, at: int = at, asked: int = asked) -> None:
                watch(codes[:asked].cpu().numpy().copy(), at * self.places + done * asked, total)

            parts.append(
                draw_codes(
                    self.dalle,
                    ids.expand(AT_ONCE, -1),
                    torch.from_numpy(uniforms),
                    knobs,
                    given=fixed,
                    dtype=self.runtime.dtype,
                    watch=hear,
                )
            )
        return Drawn(torch.cat([p.codes for p in parts])[:count], torch.cat([p.fit for p in parts])[:count])

    def _channels(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB as the model has it."""
        if self.channels == 3:
            return pixels
        weights = np.array([0.299, 0.587, 0.114])[:, None, None]
        return (pixels * weights).sum(0, keepdims=True).round().astype(np.uint8)
