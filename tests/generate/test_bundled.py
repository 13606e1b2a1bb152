"""The model that comes along draws faces."""

import numpy as np
from PIL import Image

from luoxia.core.runtime import resolve
from luoxia.data.faces import FaceFinder
from luoxia.generate.portraits import Portraits


def test_faces_are_found_in_what_it_draws() -> None:
    portraits = Portraits.open("faces-64", resolve("cpu", "float32"))
    pictures = portraits.pictures(portraits.styles(range(64), psi=0.7))
    find = FaceFinder()
    large = (Image.fromarray(np.ascontiguousarray(p.transpose(1, 2, 0))).resize((192, 192)) for p in pictures)
    assert sum(bool(find(image)) for image in large) >= 58


def test_training_can_go_on_from_it() -> None:
    told = Portraits.open("faces-64", resolve("cpu", "float32")).told
    live = told.training()
    assert {name.split(".")[0] for name in live} == {"generator", "discriminator", "augment", "path_length"}
    assert all(bool(tensor.isfinite().all()) for tensor in live.values())
