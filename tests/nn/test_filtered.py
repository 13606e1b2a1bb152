"""The filtered leaky ReLU: against SciPy's resampling, and by what it is for."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F

from luoxia.nn import filtered_kernel
from luoxia.nn.filtered import filtered_leaky_relu
from luoxia.nn.lowpass import lowpass

ASKED = {"slope": 0.2, "gain": 2**0.5}


def by_scipy(x, up_filter, down_filter, up, down, size, slope, gain, clamp):
    """Zeros between pixels, the filter, the bend, the filter, every ``down``-th pixel about the same centre."""
    up_filter, down_filter = up_filter.double().numpy(), down_filter.double().numpy()
    for axis in (2, 3):
        x = scipy.signal.upfirdn(up_filter * up, x, up=up, axis=axis)
    x = np.where(x < 0, slope * x, x) * gain
    x = x.clip(-clamp, clamp) if clamp else x
    # All that the second filter reaches; then the samples whose centre is the input's.
    kernel = down_filter if down_filter.ndim == 2 else np.outer(down_filter, down_filter)
    x = scipy.signal.convolve(x, kernel[None, None], mode="valid", method="fft")
    first, odd = divmod(x.shape[-1] - ((size - 1) * down + 1), 2)
    assert not odd
    last = first + (size - 1) * down + 1
    return x[:, :, first:last:down, first:last:down]


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize(
    ("inner", "size", "up", "down", "clamp"),
    [(18, 16, 2, 2, 0.0), (18, 20, 4, 2, 0.0), (20, 10, 2, 2, 0.5), (18, 16, 4, 4, 0.0), (11, 11, 1, 1, 0.0)],
)
@pytest.mark.parametrize("grad", [False, True])  # compiled, or as convolutions that have gradients
def test_is_resampling_by_the_definition(inner, size, up, down, clamp, radial, grad):
    draw = torch.Generator().manual_seed(0)
    x, bias = torch.randn(1, 5, inner, inner, generator=draw), torch.randn(5, generator=draw)
    up_filter = lowpass(6 * up if up > 1 else 1, 4.0, 4.0, 16 * up)
    down_filter = lowpass(6 * down if down > 1 else 1, 4.0, 4.0, 16 * down, radial=radial)
    with torch.set_grad_enabled(grad):
        assert filtered_kernel.fits(x, up_filter, down_filter, up, down) == (up > 1 and not grad)
        found = filtered_leaky_relu(
            x, bias, up_filter, down_filter, up=up, down=down, size=size, clamp=clamp, **ASKED
        )
    x = x + bias[:, None, None]
    wanted = by_scipy(x.numpy().astype(float), up_filter, down_filter, up, down, size, clamp=clamp, **ASKED)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("channels", [3, 16, 37])  # fewer than a vector, as many, and some left over
def test_compiled_is_the_same_for_any_channels_threads_and_precision(channels, radial, monkeypatch):
    draw = torch.Generator().manual_seed(0)
    x, bias = torch.randn(3, channels, 20, 20, generator=draw), torch.randn(channels, generator=draw)
    taps = lowpass(12, 4.0, 4.0, 32)
    second = lowpass(12, 5.0, 4.0, 32, radial=radial)
    options = {"up": 2, "down": 2, "size": 16, "clamp": 1.0, **ASKED}
    wanted = filtered_leaky_relu(x, bias, taps, second, **options)  # gradients are on
    with torch.no_grad():
        found = filtered_leaky_relu(x, bias.requires_grad_(), taps, second, **options)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
        assert torch.equal(filtered_leaky_relu(x, bias, taps, second, **options), found)
        half = x.bfloat16()
        low = filtered_leaky_relu(half, bias, taps, second, **options)
        exact = filtered_leaky_relu(half.float(), bias, taps, second, **options)
    assert torch.equal(low, exact.bfloat16())  # rounded once, at the end


INSIDE = slice(16, 80)  # far from the edges, where what is outside is 0


def wave(periods: int) -> torch.Tensor:
    """A sinusoid of so many periods to the 64 pixels inside: (1, 1, 96, 96)."""
    return torch.cos(2 * torch.pi * periods / 64 * torch.arange(96.0)).expand(1, 1, 96, 96)


def bent(x: torch.Tensor, slope: float = 0.2) -> torch.Tensor:
    """The nonlinearity with a filter that passes up to 20 periods to 64 pixels and stops from 32 on."""
    taps = lowpass(32, 26.0, 6.0, 128)
    return filtered_leaky_relu(
        x, torch.zeros(x.shape[1]), taps, taps, up=2, down=2, size=x.shape[-1], slope=slope, gain=1.0
    )


def test_a_signal_within_the_band_passes():
    x = wave(14)
    assert (bent(x, slope=1.0) - x)[..., INSIDE, INSIDE].abs().max() < 0.02


def test_new_frequencies_do_not_fold_back():
    """Of 14 periods the bend makes 28, 56 ...; the grid holds 32, and shows 56 as 64 - 56 = 8 where nothing stops them."""

    def folded(y: torch.Tensor) -> float:
        return float(torch.fft.rfft(y[0, 0, 48, INSIDE]).abs()[8])

    plain = folded(F.leaky_relu(wave(14), 0.2))
    assert plain > 0.5
    assert folded(bent(wave(14))) < 0.02 * plain


def test_every_input_gets_its_gradient():
    x = torch.randn(1, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    taps = lowpass(12, 4.0, 4.0, 32).double()

    def run(value):
        return filtered_leaky_relu(
            value, torch.zeros(1), taps, taps, up=2, down=2, size=4, clamp=0.7, **ASKED
        )

    assert torch.autograd.gradcheck(run, x)


def test_sizes_that_share_no_centre_are_refused():
    taps = lowpass(12, 4.0, 4.0, 32)
    with pytest.raises(ValueError, match="do not lie centred"):
        filtered_leaky_relu(
            torch.zeros(1, 1, 8, 8), torch.zeros(1), taps, taps, up=2, down=2, size=20, **ASKED
        )
