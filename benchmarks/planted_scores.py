"""Planted differences of methods from a baseline, by kind of score; each is (prompts, family, repeats)."""

import numpy as np
from scipy import stats

CUTS = np.array([-1.6, -0.9, -0.2, 0.6])  # between marks; many marks are the highest


def normal(generator: np.random.Generator, shifts: np.ndarray, prompts: int, repeats: int) -> np.ndarray:
    """Differences of a metric; all methods share the baseline's image."""
    shared = generator.normal(0, 0.7, (prompts, 1, 1))
    return shifts[:, None] + shared + generator.normal(0, 0.7, (prompts, len(shifts), 1)) + np.zeros(repeats)


def skewed(generator: np.random.Generator, shifts: np.ndarray, prompts: int, repeats: int) -> np.ndarray:
    """Differences with a long tail to one side: few prompts gain much."""
    return shifts[:, None] + generator.exponential(1, (prompts, len(shifts), 1)) - 1 + np.zeros(repeats)


def marks(generator: np.random.Generator, shifts: np.ndarray, prompts: int, repeats: int) -> np.ndarray:
    """Differences of whole marks from 1 to 5, near the top of the scale, with an error of each draw."""
    quality = generator.normal(0, 0.8, (prompts, 1, 1)) + generator.normal(0, 0.5, (prompts, len(shifts) + 1, 1))
    quality = quality + np.array([0.0, *shifts])[:, None] + generator.normal(0, 0.6, (*quality.shape[:2], repeats))
    each = 1.0 + np.searchsorted(CUTS, quality)
    return each[:, 1:] - each[:, :1]


def yes_or_no(generator: np.random.Generator, shifts: np.ndarray, prompts: int, repeats: int) -> np.ndarray:
    """Differences of 0 and 1."""
    quality = generator.normal(0, 0.7, (prompts, 1, 1)) + generator.normal(0, 0.7, (prompts, len(shifts) + 1, 1))
    each = (quality + np.array([0.0, *shifts])[:, None] > 0).astype(float)
    return each[:, 1:] - each[:, :1] + np.zeros(repeats)


def like_blip_vqa(generator: np.random.Generator, shifts: np.ndarray, prompts: int, repeats: int) -> np.ndarray:
    """Differences of scores that are mostly near 0 or 1."""
    quality = generator.normal(0, 1.4, (prompts, 1, 1)) + generator.normal(0, 1.6, (prompts, len(shifts) + 1, 1))
    each = stats.norm.cdf(1.3 * (quality + np.array([0.0, *shifts])[:, None] - 0.7))
    return each[:, 1:] - each[:, :1] + np.zeros(repeats)
