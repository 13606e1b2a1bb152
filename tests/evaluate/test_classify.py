"""A linear classifier against scikit-learn's, and agreement counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from luoxia.core.errors import UserError
from luoxia.evaluate.classify import train_classifier


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.data[:900] / 16, data.target[:900]


def test_against_scikit_learn(digits: tuple[np.ndarray, np.ndarray]) -> None:
    """The same objective there: C = 1 / (N lambda), on features standardised the same way."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = digits[0][:300], digits[1][:300]
    ours = train_classifier(x, y, extractor="pixels", decay=0.01)
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(C=1 / (300 * 0.01), tol=1e-10, max_iter=5000).fit(scaler.transform(x), y)
    np.testing.assert_allclose(
        ours.logits(digits[0]).softmax(1).numpy(),
        theirs.predict_proba(scaler.transform(digits[0])),
        atol=1e-4,
    )


def test_digits_are_recognised_and_the_fit_is_the_same_each_time(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits
    classifier = train_classifier(x[:600].astype(np.float32), y[:600], extractor="pixels")
    assert classifier.accuracy(x[600:], y[600:]) > 0.9
    assert classifier.accuracy(x[:600], y[:600]) > 0.99
    with torch.no_grad():  # a caller may have switched gradients off
        again = train_classifier(
            torch.from_numpy(x[:600]).float(), torch.from_numpy(y[:600]), extractor="pixels"
        )
    assert torch.equal(classifier.weight, again.weight)


def test_agreement_is_the_share_that_is_as_asked() -> None:
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    classifier = train_classifier(x, ["cat", "cat", "dog", "dog"], extractor="pixels")
    samples = np.array([[-3.0], [3.0], [0.5], [-0.1]])
    assert classifier.predict(samples).tolist() == ["cat", "dog", "dog", "cat"]
    assert classifier.agreement(samples, ["cat", "cat", "dog", "dog"]) == 0.5
    assert classifier.agreement(samples, ["bird"] * 4) == 0.0
    assert classifier.agreement(samples, classifier.predict(samples)) == 1.0


def test_features_that_never_change_say_nothing() -> None:
    x = np.array([[0.3, -1.0], [0.3, -2.0], [0.3, 1.0], [0.3, 2.0]])
    classifier = train_classifier(x, [0, 0, 1, 1], extractor="pixels")
    assert classifier.logits(x).isfinite().all()
    assert classifier.predict(x + np.array([50.0, 0.0])).tolist() == [0, 0, 1, 1]


def test_what_cannot_be_learned_is_refused() -> None:
    x = np.zeros((4, 2))
    for features, labels, decay in (
        (x, [0, 1, 0], 1e-3),
        (x, [1, 1, 1, 1], 1e-3),
        (x, [0, 1, 0, 1], 0.0),
        (x * np.nan, [0, 1, 0, 1], 1e-3),
        (x[0], [0, 1], 1e-3),
    ):
        with pytest.raises(UserError):
            train_classifier(features, labels, extractor="pixels", decay=decay)
    classifier = train_classifier(np.eye(4), [0, 1, 0, 1], extractor="pixels")
    with pytest.raises(UserError, match="3 dimensions"):
        classifier.predict(np.zeros((2, 3)))
    with pytest.raises(UserError, match="one label for each"):
        classifier.agreement(np.eye(4), [0, 1])
