"""Classes come in by and by."""

import torch

from luoxia.nn.transition import Transition


def told(seen: int, images: int = 100) -> torch.Tensor:
    transition = Transition(4, images)
    transition.advance(seen)
    return transition(torch.tensor([2, 0]))


def test_for_the_first_half_every_class_is_told_the_same():
    assert torch.equal(told(0), torch.full((2, 4), 0.25))
    assert torch.equal(told(50), torch.full((2, 4), 0.25))


def test_then_the_class_comes_in_evenly_and_stays():
    assert torch.allclose(told(75)[0], torch.tensor([0.125, 0.125, 0.625, 0.125]))
    assert torch.equal(told(100), torch.eye(4)[[2, 0]])
    assert torch.equal(told(10**9), torch.eye(4)[[2, 0]])


def test_without_images_it_is_told_from_the_start():
    assert torch.equal(told(0, images=0), torch.eye(4)[[2, 0]])


def test_the_count_is_part_of_the_state():
    one, other = Transition(4, 100), Transition(4, 100)
    one.advance(75)
    other.load_state_dict(one.state_dict())
    assert float(other.strength) == 0.5
