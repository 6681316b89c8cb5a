"""How different renderings of different seeds are, as a function of temperature."""

import numpy as np

from ..arrays import Floats


def spread(embeddings: Floats) -> float:
    """Mean distance between pairs of rows."""
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    return float(distances[np.triu_indices(len(embeddings), 1)].mean())
