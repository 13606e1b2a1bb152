"""Kaiser filters against SciPy's design, and radial ones by what they pass in each direction."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from luoxia.nn.lowpass import lowpass, window


@pytest.mark.parametrize(
    ("taps", "cutoff", "half_width", "rate"), [(12, 2.0, 6.0, 32), (24, 4.0, 4.0, 64), (13, 5.0, 20.0, 64)]
)
def test_taps_are_those_of_scipy(taps, cutoff, half_width, rate):
    wanted = scipy.signal.firwin(taps, cutoff, width=2 * half_width, fs=rate)
    assert np.abs(lowpass(taps, cutoff, half_width, rate).numpy() - wanted).max() < 1e-7


@pytest.mark.parametrize("half_width", [0.01, 2.0, 6.0, 15.0])
def test_the_window_is_scipys(half_width):
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(12, 2 * half_width / 16))
    assert np.abs(window(12, half_width, 32) - scipy.signal.windows.kaiser(12, beta, sym=True)).max() < 1e-12


def test_the_band_passes_and_the_rest_stops():
    taps = lowpass(48, 4.0, 2.0, 64).double().numpy()
    frequencies, response = scipy.signal.freqz(taps, worN=4096, fs=64)
    assert np.abs(np.abs(response[frequencies < 2]) - 1).max() < 0.01
    assert np.abs(response[frequencies > 6]).max() < 0.01
    assert np.abs(response[np.argmin(np.abs(frequencies - 4))]) == pytest.approx(0.5, abs=0.02)


def test_a_radial_filter_passes_the_same_in_all_directions():
    """Where the product of two filters passes twice as far along the diagonal."""
    place = torch.arange(24, dtype=torch.float64) / 64
    place = place - place.mean()

    def response(taps, frequency, angle):
        along = place[None] * np.cos(angle) + place[:, None] * np.sin(angle)
        return float((taps.double() * torch.cos(2 * np.pi * frequency * along)).sum())

    radial = lowpass(24, 8.0, 4.0, 64, radial=True)
    flat = lowpass(24, 8.0, 4.0, 64)
    square = torch.outer(flat, flat)
    assert float(radial.sum()) == pytest.approx(1)
    for frequency in (4.0, 8.0, 10.0):
        straight = response(radial, frequency, 0.0)
        for angle in (0.3, np.pi / 4, 1.2):
            assert response(radial, frequency, angle) == pytest.approx(straight, abs=0.01)
    assert abs(response(square, 10.0, np.pi / 4) - response(square, 10.0, 0.0)) > 0.2


def test_the_middle_of_an_odd_radial_filter_is_finite():
    taps = lowpass(9, 4.0, 4.0, 32, radial=True)
    assert taps.isfinite().all()
    assert taps.argmax() == 40
