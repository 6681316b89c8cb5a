"""Whether the requested emotion is audible.

The judge is fitted to held-out music that the networks never saw, labelled by the rules of `melos-corpus prepare` over
its notes: the same rules labelled the music that the networks learnt from. It hears sound only, brought to one level.
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
    """The name nearest to `emotion` on the circumplex."""
    distance = {
        other: np.hypot(*np.subtract(ANCHORS[other], ANCHORS[emotion])) for other in EMOTIONS if other != emotion
    }
    return min(distance, key=lambda other: distance[other])


def nearness(affect: Floats) -> Floats:
    """Minus the distance of valence and arousal [n, 2] from every anchor, [n, 8]."""
    anchors = np.array([ANCHORS[name] for name in EMOTIONS])
    return -np.linalg.norm(np.asarray(affect)[:, None] - anchors, axis=2)


@dataclass(frozen=True)
class Heard:
    """The judge's opinion of excerpts: valence, arousal, how near the eight names are [n, 8]; the other judge's too."""

    valence: Floats
    arousal: Floats
    names: Floats
    other_names: Floats


class Judge:
    """Ridge regressions for valence and arousal over standardised features.

    The name heard is the one whose anchor is nearest to the affect heard, as the rules name the music that they label.
    A regression hears less than there is, so its affect is first brought to the mean and the deviation of the labels,
    as it has them on pieces it was not fitted to. Another judge, a logistic regression fitted to the names themselves,
    is asked too.
    """

    def __init__(self, features: Floats, labels: Floats, pieces: Sequence[Any]) -> None:
        """`labels` [n, 10]: weights of the eight names, valence, arousal. A piece's windows stay together in a fold."""
        # Of 10 to 3000, the penalty that explains most of valence and arousal together in cross-validation.
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

    def __call__(self, features: Floats) -> Heard:
        affect = self.scale * self.regression.predict(features) + self.offset
        other_names = np.full((len(features), 8), -50.0)
        other_names[:, self.naming[-1].classes_] = self.naming.predict_log_proba(features)
        return Heard(affect[:, 0], affect[:, 1], nearness(affect), other_names)


def auc_of_signs(scores: Floats, truth: Floats) -> Estimate:
    """How well `scores` separate positive from negative `truth`."""
    return bootstrap(auc, scores[truth > 0], scores[truth <= 0])


def same_quadrant(heard: Floats, requested: Floats) -> Array:
    """Whether valence and arousal [n, 2] both have the requested sign."""
    return ((heard > 0) == (requested > 0)).all(1)


def told_apart(mine: Floats, theirs: Floats) -> float:
    """The share of two names' excerpts that margins put on the right side."""
    return float(((mine > 0).mean() + (theirs < 0).mean()) / 2)


def agreement(heard: Heard, names: Sequence[str]) -> dict[str, Any]:
    """Requested `names` against measured ones."""
    requested: Array = np.asarray(names)
    wanted = np.array([EMOTIONS.index(name) for name in requested])
    anchors = np.array([ANCHORS[name] for name in requested])
    confusion = np.zeros((8, 8))
    np.add.at(confusion, (wanted, heard.names.argmax(1)), 1)
    pairs = {}
    for emotion in EMOTIONS:
        other = neighbour(emotion)
        one, two = EMOTIONS.index(emotion), EMOTIONS.index(other)
        margin = heard.names[:, one] - heard.names[:, two]
        pairs[emotion] = (other, bootstrap(told_apart, margin[wanted == one], margin[wanted == two]))
    return {
        "valence_auc": auc_of_signs(heard.valence, anchors[:, 0]),
        "arousal_auc": auc_of_signs(heard.arousal, anchors[:, 1]),
        "names": bootstrap(np.mean, heard.names.argmax(1) == wanted),
        "other_names": bootstrap(np.mean, heard.other_names.argmax(1) == wanted),
        "quadrants": bootstrap(np.mean, same_quadrant(np.stack([heard.valence, heard.arousal], 1), anchors)),
        "confusion": confusion / np.maximum(confusion.sum(1, keepdims=True), 1),
        "pairs": pairs,
        "affect": {
            name: (float(heard.valence[requested == name].mean()), float(heard.arousal[requested == name].mean()))
            for name in EMOTIONS
            if (requested == name).any()
        },
    }
