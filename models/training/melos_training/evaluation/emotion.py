"""Measures whether the requested emotion is audible.

The judge is fitted to music that was held out from training. The labels of this music are derived from its notes by the
rules of `melos-corpus prepare`, like those of the training music. The judge's only input is level-normalised audio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..arrays import Array, Floats
from ..constants import ANCHORS, EMOTIONS
from .statistics import Estimate, auc, bootstrap

FOLDS = 5


def neighbour(emotion: str) -> str:
    """Returns the emotion nearest to `emotion` on the circumplex."""
    distance = {
        other: np.hypot(*np.subtract(ANCHORS[other], ANCHORS[emotion])) for other in EMOTIONS if other != emotion
    }
    return min(distance, key=lambda other: distance[other])


def closeness(affect: Floats) -> Floats:
    """Returns the negated distance of valence and arousal [n, 2] from every anchor, [n, 8]."""
    anchors = np.array([ANCHORS[name] for name in EMOTIONS])
    return -np.linalg.norm(np.asarray(affect)[:, None] - anchors, axis=2)


@dataclass(frozen=True)
class Estimates:
    """The estimates for n excerpts."""

    valence: Floats
    arousal: Floats
    closeness: Floats
    """Closeness to the eight emotions, [n, 8]."""
    log_probabilities: Floats
    """Log-probabilities of the eight emotions according to the second judge, [n, 8]."""


class Judge:
    """Ridge regressions for valence and arousal over standardised features.

    The estimated emotion is the one whose anchor is nearest to the estimated affect; the labelling rules also weigh
    other cues. Because regression shrinks estimates towards the mean, they are first rescaled to the mean and standard
    deviation of the labels; cross-validation with each piece in a single fold determines the scale. A second judge is a
    logistic regression for the emotions.
    """

    def __init__(self, features: Floats, labels: Floats, pieces: Sequence[Any]) -> None:
        """Fits both judges to features [n, d].

        `labels` [n, 10] are the weights of the eight emotions, then valence and arousal. All windows of one of the
        `pieces` are in the same fold.
        """
        # Of the penalties from 10 to 3000, this one gives the best cross-validated fit to valence and arousal.
        self.regression = make_pipeline(StandardScaler(), Ridge(alpha=100.0))
        self.classifier = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.03, max_iter=2000, class_weight="balanced")
        )
        emotions, affect = labels[:, :8].argmax(1), labels[:, 8:]
        folds = {"groups": pieces, "cv": GroupKFold(FOLDS)}
        predicted = cross_val_predict(self.regression, features, affect, **folds)
        self.scale = affect.std(0) / predicted.std(0)
        self.offset = affect.mean(0) - self.scale * predicted.mean(0)
        self.accuracy: dict[str, Any] = {
            "windows": len(features),
            "pieces": len(set(pieces)),
            "valence_auc": auc_of_signs(predicted[:, 0], affect[:, 0]),
            "arousal_auc": auc_of_signs(predicted[:, 1], affect[:, 1]),
            "emotions": bootstrap(np.mean, closeness(self.scale * predicted + self.offset).argmax(1) == emotions),
            "other_emotions": bootstrap(
                np.mean, cross_val_predict(self.classifier, features, emotions, **folds) == emotions
            ),
            "quadrants": bootstrap(np.mean, same_quadrant(self.scale * predicted + self.offset, affect)),
        }
        self.regression.fit(features, affect)
        self.classifier.fit(features, emotions)

    def __call__(self, features: Floats) -> Estimates:
        affect = self.scale * self.regression.predict(features) + self.offset
        log_probabilities = np.full((len(features), 8), -50.0)
        log_probabilities[:, self.classifier[-1].classes_] = self.classifier.predict_log_proba(features)
        return Estimates(affect[:, 0], affect[:, 1], closeness(affect), log_probabilities)


def auc_of_signs(scores: Floats, truth: Floats) -> Estimate:
    """Returns the AUC of `scores` as a classifier of the sign of `truth`."""
    return bootstrap(auc, scores[truth > 0], scores[truth <= 0])


def same_quadrant(estimated: Floats, requested: Floats) -> Array:
    """Returns whether both valence and arousal [n, 2] have the requested sign."""
    return ((estimated > 0) == (requested > 0)).all(1)


def separation(one: Floats, other: Floats) -> float:
    """Returns the share of margins with the correct sign (+ in `one`, − in `other`), averaged over both."""
    return float(((one > 0).mean() + (other < 0).mean()) / 2)


def agreement(estimated: Estimates, names: Sequence[str]) -> dict[str, Any]:
    """Compares requested emotions (`names`) with estimated ones."""
    requested: Array = np.asarray(names)
    requested_index = np.array([EMOTIONS.index(name) for name in requested])
    anchors = np.array([ANCHORS[name] for name in requested])
    confusion = np.zeros((8, 8))
    np.add.at(confusion, (requested_index, estimated.closeness.argmax(1)), 1)
    pairs = {}
    for emotion in EMOTIONS:
        other = neighbour(emotion)
        one, two = EMOTIONS.index(emotion), EMOTIONS.index(other)
        margin = estimated.closeness[:, one] - estimated.closeness[:, two]
        pairs[emotion] = (other, bootstrap(separation, margin[requested_index == one], margin[requested_index == two]))
    return {
        "valence_auc": auc_of_signs(estimated.valence, anchors[:, 0]),
        "arousal_auc": auc_of_signs(estimated.arousal, anchors[:, 1]),
        "emotions": bootstrap(np.mean, estimated.closeness.argmax(1) == requested_index),
        "other_emotions": bootstrap(np.mean, estimated.log_probabilities.argmax(1) == requested_index),
        "quadrants": bootstrap(np.mean, same_quadrant(np.stack([estimated.valence, estimated.arousal], 1), anchors)),
        "confusion": confusion / np.maximum(confusion.sum(1, keepdims=True), 1),
        "pairs": pairs,
        "affect": {
            name: (
                float(estimated.valence[requested == name].mean()),
                float(estimated.arousal[requested == name].mean()),
            )
            for name in EMOTIONS
            if (requested == name).any()
        },
    }
