"""Noise near a seed's: moved towards other seeds, standard normal at every share, refused where it would not be."""

import math

import pytest
import torch

from detailscribe.engines.near_noise import noise_near
from detailscribe.errors import InputError

COUNT = 200_000


def sample(seed: int, dtype=torch.float32) -> torch.Tensor:
    return torch.randn(1, 16, COUNT // 16, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def half(seed: int) -> torch.Tensor:
    return sample(seed, torch.bfloat16)


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one.flatten().double(), other.flatten().double(), dim=0))


@pytest.mark.parametrize("of", [sample, half])
@pytest.mark.parametrize(
    ("shifts", "seed"),
    [
        ([], 7),
        ([(8, 0.0)], 7),
        ([(8, 1.0)], 8),
        ([(8, 1)], 8),
        ([(7, 1.0)], 7),
        ([(8, 0.4), (9, 1.0)], 9),
        ([(8, 1.0), (7, 1.0), (9, 0)], 7),
    ],
)
def test_shifts_that_end_at_a_seed(of, shifts, seed):
    noise = noise_near(of, 7, shifts)
    assert noise.dtype == of(7).dtype
    assert torch.equal(noise, of(seed))


@pytest.mark.parametrize("of", [sample, half])
@pytest.mark.parametrize("shares", [[0.1], [0.312], [0.5], [0.9], [0.3, 0.3, 0.3], [0.8, 0.2], [0.1] * 20])
def test_noise_stays_standard_normal_and_goes_the_stated_way(of, shares):
    noise = noise_near(of, 7, list(enumerate(shares, 100))).double()
    error = 5 / math.sqrt(COUNT)
    assert abs(noise.mean()) < error
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / COUNT) + 1e-3
    assert abs((noise**4).mean() - 3) < 5 * math.sqrt(96 / COUNT) + 1e-2
    kept = math.prod(math.sqrt(1 - share**2) for share in shares)
    assert abs(cosine(noise, of(7)) - kept) < error
    assert abs(cosine(noise, of(100 + len(shares) - 1)) - shares[-1]) < error


def test_half_precision_is_rounded_once():
    shifts = [(8, 0.3), (9, 0.4)]
    exact = half(7).double()
    for seed, share in shifts:
        exact = math.sqrt(1 - share**2) * exact + share * half(seed).double()
    apart = (noise_near(half, 7, shifts).double() - exact).abs()
    assert bool((apart <= exact.abs() * 2**-8).all()), "half a unit of eight bits"


@pytest.mark.parametrize("share", [-0.1, 1.01, math.nan])
def test_shares_outside_their_range(share):
    with pytest.raises(InputError, match=f"share of a shift must be from 0 to 1, got {share} with seed 9"):
        noise_near(sample, 7, [(8, 0.5), (9, share)])


@pytest.mark.parametrize("shifts", [[(7, 0.5)], [(8, 0.5), (8, 0.5)], [(8, 1.0), (9, 0.2), (8, 0.5)]])
def test_a_seed_that_is_in_the_noise_already_is_refused(shifts):
    with pytest.raises(InputError, match=f"towards that of seed {shifts[-1][0]}, which it contains.*a seed of its own"):
        noise_near(sample, 7, shifts)


def test_a_seed_that_a_share_of_1_replaced_may_come_again():
    assert torch.equal(
        noise_near(sample, 7, [(8, 1.0), (7, 0.5)]),
        noise_near(sample, 8, [(7, 0.5)]),
    )
