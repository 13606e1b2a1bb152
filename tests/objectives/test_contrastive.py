"""The contrastive loss: its closed forms, what is no negative, and two processes as one."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.objectives.contrastive import contrastive_loss

TINY = CLIPConfig(
    vocab_size=40,
    block_size=6,
    size=8,
    patch=4,
    n_embd=16,
    n_layer=1,
    n_head=2,
    text_n_embd=16,
    text_n_layer=1,
    text_n_head=2,
    n_out=12,
)
ROWS = 8  # of a whole batch


def vectors(n: int = ROWS, width: int = 12, seed: int = 0, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    noise = torch.Generator().manual_seed(seed)
    both = torch.randn(2, n, width, generator=noise, dtype=dtype)
    image, text = F.normalize(both, dim=-1).unbind()
    return image.requires_grad_(), text.requires_grad_()


def pairs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures, ids, keys of the captions of each in two languages, and of the one that is given: some are shared."""
    noise = torch.Generator().manual_seed(seed)
    x = torch.rand(ROWS, 3, 8, 8, generator=noise) * 2 - 1
    ids = torch.randint(3, 40, (ROWS, 6), generator=noise)
    ids[:, 0], ids[:, 4], ids[:, 5] = 1, 2, 0
    concept = torch.tensor([0, 1, 2, 0, 3, 4, 1, 0])
    described = torch.stack([2 * concept, 2 * concept + 1], 1)
    says = described[torch.arange(ROWS), torch.arange(ROWS) % 2]
    return x, ids, described, says


def model() -> CLIP:
    torch.manual_seed(3)
    return CLIP(TINY)


def test_it_is_the_cross_entropy_of_both_directions():
    image, text = vectors()
    logits, target = 10 * image @ text.T, torch.arange(ROWS)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    found = contrastive_loss(image, text, torch.tensor([10.0]))
    assert found.value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_slopes_are_those_of_its_equation():
    image, text = (v.detach().float().requires_grad_() for v in vectors(4, 3))
    scale = torch.tensor([5.0], requires_grad=True)
    contrastive_loss(image, text, scale).value.backward()
    p, q = ((5 * a @ b.T).softmax(1) - torch.eye(4) for a, b in ((image, text), (text, image)))
    torch.testing.assert_close(image.grad, 5 * (p + q.T) @ text / 8, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(text.grad, 5 * (p.T + q) @ image / 8, atol=1e-6, rtol=1e-5)
    slope = ((p + q.T) * (image @ text.T)).sum() / 8
    torch.testing.assert_close(scale.grad, slope.detach()[None], atol=1e-6, rtol=1e-5)


def test_of_texts_that_say_the_same_none_is_a_negative():
    """Pictures 0 and 1 share a caption: the target is even between both, and their order does not matter."""
    image, text = (v.detach().float() for v in vectors(3, 5))
    described, says = torch.tensor([[7, 8], [7, 9], [5, 6]]), torch.tensor([7, 7, 6])
    found = contrastive_loss(image, text, torch.tensor([4.0]), described, says).value
    target = torch.tensor([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    by_image, by_text = (4 * image @ text.T).log_softmax(1), (4 * text @ image.T).log_softmax(1)
    torch.testing.assert_close(found, -((target * by_image).sum() + (target * by_text).sum()) / 6)


def test_a_caption_in_the_other_language_describes_the_picture_too():
    """Text 1 is the Chinese caption of picture 0 as well, text 0 the English one of picture 0 alone."""
    image, text = (v.detach().float() for v in vectors(2, 5))
    described, says = torch.tensor([[1, 9], [2, 9]]), torch.tensor([1, 9])
    found = contrastive_loss(image, text, torch.tensor([1.0]), described, says).value
    by_image, by_text = (image @ text.T).log_softmax(1), (text @ image.T).log_softmax(1)
    of_image = -(by_image[0].mean() + by_image[1, 1]) / 2
    of_text = -(by_text[0, 0] + by_text[1].mean()) / 2
    torch.testing.assert_close(found, (of_image + of_text) / 2)


def test_it_begins_near_the_logarithm_of_the_batch():
    """Above it by half the variance of the logits, scale^2 / D where vectors point anywhere."""
    torch.manual_seed(3)
    clip = CLIP(dataclasses.replace(TINY, n_embd=192, text_n_embd=192, n_out=192))
    noise = torch.Generator().manual_seed(0)
    x = torch.rand(64, 3, 8, 8, generator=noise) * 2 - 1
    ids = torch.cat(
        [torch.ones(64, 1), torch.randint(3, 40, (64, 4), generator=noise), torch.full((64, 1), 2)], 1
    )
    with torch.no_grad():
        found = contrastive_loss(*clip(x, ids.long()))
    assert math.log(64) - 0.05 < found.value.item() < math.log(64) + 0.55


def test_where_pairs_match_and_others_are_far_nothing_moves():
    image = torch.eye(6, requires_grad=True)
    text = torch.eye(6, requires_grad=True)
    found = contrastive_loss(image, text, torch.tensor([100.0]))
    found.value.backward()
    assert found.value.item() < 1e-6
    assert image.grad.abs().max() < 1e-6
    assert found.notes["image_to_text"] == found.notes["text_to_image"] == 1
    # With captions that are shared, the least is the logarithm of how many share one, and nothing moves there either.
    shared = torch.eye(3).repeat_interleave(2, 0).requires_grad_()
    keys = torch.arange(3).repeat_interleave(2)
    found = contrastive_loss(shared, shared.detach(), torch.tensor([100.0]), keys[:, None], keys)
    found.value.backward()
    assert found.value.item() == pytest.approx(math.log(2), abs=1e-5)
    assert shared.grad.abs().max() < 1e-5


def same(found: Tensor, wanted: Tensor) -> bool:
    """But for rounding."""
    return bool((found - wanted).norm() < 1e-5 * wanted.norm())


def gradients(clip: CLIP) -> Tensor:
    return torch.cat([p.grad.flatten() for p in clip.parameters()])


@pytest.mark.parametrize("chunks", [2, 3, 8])
def test_a_batch_in_parts_is_the_batch_as_a_whole(chunks):
    x, ids, described, says = pairs()
    found = []
    for parts in (1, chunks):
        clip = model()
        loss = contrastive_loss(*clip(x, ids, parts), described, says)
        loss.value.backward()
        found.append((loss.value.detach(), gradients(clip)))
    torch.testing.assert_close(found[1][0], found[0][0])
    assert same(found[1][1], found[0][1])
    assert found[0][1].norm() > 1e-2


def test_of_a_batch_in_parts_one_part_is_kept_at_a_time():
    """What autograd keeps: with parts, the inputs of each alone, and no activation of a block."""
    x, ids, *_ = pairs()
    kept = []
    for parts in (1, 4):
        sizes: list[int] = []
        clip = model()
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t
        ):
            clip(x, ids, parts)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 10


TWO = """
import gc, sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
sys.path[:0] = [{tests!r}, {here!r}]
from test_contrastive import ROWS, gradients, model, pairs
from luoxia.objectives.contrastive import contrastive_loss
torch.set_num_threads(1)
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://{store}", rank=rank, world_size=2)
half = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
x, ids, described, says = (part[half] for part in pairs())
found = []
for chunks in (1, 2):
    clip = model()
    split = DistributedDataParallel(clip)  # whose hooks live as long as it does
    loss = contrastive_loss(*split(x, ids, chunks), described, says)
    loss.value.backward()
    value = loss.value.detach()
    dist.all_reduce(value)
    found.append((value / 2, gradients(clip)))
torch.save(found, "{out}" + str(rank))
del clip, split, loss, found
gc.collect()  # a wrapped module that outlives its group aborts the process at its end
dist.destroy_process_group()
"""


def test_two_processes_are_one_with_the_whole_batch(tmp_path):
    x, ids, described, says = pairs()
    clip = model()
    loss = contrastive_loss(*clip(x, ids), described, says)
    loss.value.backward()
    script = TWO.format(
        tests=str(Path(__file__).parents[1]),
        here=str(Path(__file__).parent),
        store=tmp_path / "store",
        out=tmp_path / "out",
    )
    jobs = [subprocess.Popen([sys.executable, "-c", script, str(rank)]) for rank in range(2)]
    assert [job.wait(120) for job in jobs] == [0, 0]
    for rank in range(2):
        for value, slopes in torch.load(tmp_path / f"out{rank}"):
            torch.testing.assert_close(value, loss.value.detach())
            assert same(slopes, gradients(clip))
