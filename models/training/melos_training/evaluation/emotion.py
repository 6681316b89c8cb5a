"""Whether the requested emotion is audible.

The judge is fitted to held-out music that the networks never saw, labelled from its notes by the rules of `melos-corpus
prepare`, which also labelled the training music. Its only input is level-normalised sound.
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
    """The emotion nearest to `emotion` on the circumplex."""
    distance = {
        other: np.hypot(*np.subtract(ANCHORS[other], ANCHORS[emotion])) for other in EMOTIONS if other != emotion
    }
    return min(distance, key=lambda other: distance[other])


def nearness(affect: Floats) -> Floats:
    """Minus the distance of valence and arousal [n, 2] from every anchor, [n, 8]."""
    anchors = np.array([ANCHORS[name] for name in EMOTIONS])
    return -np.linalg.norm(np.asarray(affect)[:, None] - anchors, axis=2)


@dataclass(frozen=True)
class Estimates:
    """Estimates for excerpts: valence, arousal, nearness of the eight emotions [n, 8]; and the second judge's."""

    valence: Floats
    arousal: Floats
    names: Floats
    other_names: Floats


class Judge:
    """Ridge regressions for valence and arousal over standardised features.

    The estimated emotion is the one with the anchor nearest to the estimated affect, as in the labelling rules. Since
    regression shrinks its estimates towards the mean, they are first rescaled to the mean and standard deviation of the
    labels, based on pieces that it was not fitted to. A second judge is a logistic regression fitted to the emotions.
    """

    def __init__(self, features: Floats, labels: Floats, pieces: Sequence[Any]) -> None:
        """`labels` [n, 10]: weights of the eight emotions, valence, arousal. All windows of a piece are in one fold."""
        # Of 10 to 3000, the penalty that explains most of valence and arousal in cross-validation.
        self.regression = make_pipeline(StandardScaler(), Ridge(alpha=100.0))
        self.naming = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.03, max_iter=2000, class_weight="balanced")
        )
        names, affect = labels[:, :8].argmax(1), labels[:, 8:]
        folds = {"groups": pieces, "cv": GroupKFold(FOLDS)}
        guessed = cross_val_predict(self.regression, features, affect, **folds)
        self.scale = affect.std(0) / guessed.std(0)
        self.offset = affect.mean(0) - self.scale * guessed.mean(0)
        self.accuracy: dict[str, Any] = {
            "windows": len(features),
            "pieces": len(set(pieces)),
            "valence_auc": auc_of_signs(guessed[:, 0], affect[:, 0]),
            "arousal_auc": auc_of_signs(guessed[:, 1], affect[:, 1]),
            "names": bootstrap(np.mean, nearness(self.scale * guessed + self.offset).argmax(1) == names),
            "other_names": bootstrap(np.mean, cross_val_predict(self.naming, features, names, **folds) == names),
            "quadrants": bootstrap(np.mean, same_quadrant(self.scale * guessed + self.offset, affect)),
        }
        self.regression.fit(features, affect)
        self.naming.fit(features, names)

    def __call__(self, features: Floats) -> Estimates:
        affect = self.scale * self.regression.predict(features) + self.offset
        other_names = np.full((len(features), 8), -50.0)
        other_names[:, self.naming[-1].classes_] = self.naming.predict_log_proba(features)
        return Estimates(affect[:, 0], affect[:, 1], nearness(affect), other_names)


def auc_of_signs(scores: Floats, truth: Floats) -> Estimate:
    """AUC of `scores` for separating positive from negative `truth`."""
    return bootstrap(auc, scores[truth > 0], scores[truth <= 0])


def same_quadrant(estimated: Floats, requested: Floats) -> Array:
    """Whether valence and arousal [n, 2] both have the requested sign."""
    return ((estimated > 0) == (requested > 0)).all(1)


def separation(mine: Floats, theirs: Floats) -> float:
    """Share of the excerpts of two emotions that are classified correctly by their margins."""
    return float(((mine > 0).mean() + (theirs < 0).mean()) / 2)


def agreement(estimated: Estimates, names: Sequence[str]) -> dict[str, Any]:
    """Compares requested emotions (`names`) with estimated ones."""
    requested: Array = np.asarray(names)
    requested_index = np.array([EMOTIONS.index(name) for name in requested])
    anchors = np.array([ANCHORS[name] for name in requested])
    confusion = np.zeros((8, 8))
    np.add.at(confusion, (requested_index, estimated.names.argmax(1)), 1)
    pairs = {}
    for emotion in EMOTIONS:
        other = neighbour(emotion)
        one, two = EMOTIONS.index(emotion), EMOTIONS.index(other)
        margin = estimated.names[:, one] - estimated.names[:, two]
        pairs[emotion] = (other, bootstrap(separation, margin[requested_index == one], margin[requested_index == two]))
    return {
        "valence_auc": auc_of_signs(estimated.valence, anchors[:, 0]),
        "arousal_auc": auc_of_signs(estimated.arousal, anchors[:, 1]),
        "names": bootstrap(np.mean, estimated.names.argmax(1) == requested_index),
        "other_names": bootstrap(np.mean, estimated.other_names.argmax(1) == requested_index),
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
