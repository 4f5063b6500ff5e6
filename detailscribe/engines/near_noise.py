"""Initial noise near that of a seed, for a zero-order noise search: a seed's noise, moved towards that of others.

Source: Ma et al. 2025, "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising Steps",
https://arxiv.org/abs/2501.09732, zero-order search; their neighbourhood as their first author wrote it for
https://github.com/sayakpaul/tt-scale-flux at 68f19b7f9131ab9187e912d0fe4a1bb1e0d2307d (`generate_neighbors`).
Differs: their neighbours have the pivot's norm exactly and lie at a fixed angle to it, of cosine 0.95: the new noise's
component along the pivot is removed, and its norm made the pivot's. Here the new noise is used as it is sampled, so
that each neighbour is standard normal and share 1 is the noise of another seed. Norm and cosine, `sqrt(1 - share^2)`,
then vary by about one part in the square root of the number of values (262,144 at 1024 px). Their cosine of 0.95 is a
share of 0.312.
"""

import math
from collections.abc import Callable, Sequence

import torch

from detailscribe.errors import InputError

Shift = tuple[int, float]  # seed, share


def noise_near(sample: Callable[[int], torch.Tensor], seed: int, shifts: Sequence[Shift] = ()) -> torch.Tensor:
    """Noise of a seed, moved by each shift in turn: `sqrt(1 - share^2) * noise + share * noise_of(seed of the shift)`.

    Args:
        sample: Gives the initial noise of a seed, standard normal, in main memory.
        seed: Of the noise that is moved.
        shifts: (seed, share) with shares from 0 (noise stays) to 1 (noise of that seed alone).

    Returns:
        Shape, precision and place of `sample`'s; computed in fp32 and rounded once, at the end. Without shifts, and
        after a share of 1, the sample of that seed itself.

    Raises:
        InputError: as `check_shifts`.
    """
    check_shifts(seed, shifts)
    start = sample(seed)
    noise = start.float()
    for other, share in shifts:
        noise = math.sqrt(1 - share**2) * noise + share * sample(other).float()
    return noise.to(start.dtype)


def check_shifts(seed: int, shifts: Sequence[Shift]) -> None:
    """Refuse shifts after which the noise is not standard normal.

    Raises:
        InputError: naming the first share outside 0 to 1, or the first seed that is in the noise already.
    """
    present = {seed}
    for other, share in shifts:
        if not 0 <= share <= 1:
            raise InputError(f"the share of a shift must be from 0 to 1, got {share} with seed {other}")
        if share == 1:
            present = {other}
        elif share > 0 and other in present:
            raise InputError(
                f"noise cannot be moved towards that of seed {other}, which it contains: sums of one noise are not "
                "standard normal; give each shift a seed of its own"
            )
        elif share > 0:
            present.add(other)
