from __future__ import annotations

import os
from typing import get_args

import numpy as np
import pytest

from boneage.data.augment import POLICIES, MaskPolicy, Policy
from boneage.data.config import make_config
from boneage.data.errors import ConfigError
from boneage.data.policies import PolicyName
from boneage.data.synthetic import synthetic_hand
from boneage.regressor.config import RegressorConfig

SEEDS = range(150)
ACTIVE = [name for name in POLICIES if name != "none"]


@pytest.fixture(scope="module")
def picture():
    return np.rint(synthetic_hand(100, "F", 1, (120, 120)).pixels * 255).astype(np.uint8)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", POLICIES)
def test_shape_and_dtype_stay(picture, name, strength):
    policy = Policy(name, strength)
    for seed in range(20):
        done = policy(picture, seed)
        assert done.shape == picture.shape
        assert done.dtype == np.uint8


@pytest.mark.parametrize("name", POLICIES)
def test_the_seed_alone_decides(picture, name):
    """Neither another policy object nor what was augmented before matters, as workers need it."""
    policy, other = Policy(name), Policy(name)
    first = [policy(picture, seed) for seed in range(12)]
    again = [other(picture, seed) for seed in reversed(range(12))][::-1]
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))


@pytest.mark.parametrize("name", ACTIVE)
def test_seeds_differ(picture, name):
    policy = Policy(name)
    assert len({policy(picture, seed).tobytes() for seed in range(20)}) > 10


def test_the_picture_given_is_left_alone(picture):
    before = picture.copy()
    for name in POLICIES:
        for seed in range(5):
            Policy(name, 2.0)(picture, seed)
    assert np.array_equal(picture, before)


def test_none_changes_nothing(picture):
    assert all(np.array_equal(Policy("none", 2.0)(picture, seed), picture) for seed in range(20))


@pytest.mark.parametrize("name", ACTIVE)
def test_strength_zero_only_mirrors(picture, name):
    policy = Policy(name, 0.0)
    kinds = []
    for seed in range(40):
        done = policy(picture, seed)
        plain, mirrored = np.array_equal(done, picture), np.array_equal(done, picture[:, ::-1])
        assert plain or mirrored
        kinds.append(mirrored)
    assert 8 < sum(kinds) < 32


@pytest.mark.parametrize("name", ACTIVE)
def test_hands_are_mirrored_sideways_but_never_turned_upside_down(name):
    """Four patches of one picture: which corner the brightest is in tells every mirroring and turn."""
    picture = np.zeros((96, 96), np.uint8)
    picture[24:40, 24:40], picture[24:40, 56:72] = 240, 180  # upper left, upper right
    picture[56:72, 24:40], picture[56:72, 56:72] = 120, 60
    policy = Policy(name, 0.4)
    mirrored = 0
    for seed in SEEDS:
        done = policy(picture, seed).astype(float)
        upper, lower, left, right = done[:48].sum(), done[48:].sum(), done[:, :48].sum(), done[:, 48:].sum()
        assert upper > lower
        mirrored += right > left
    assert 0.3 < mirrored / len(SEEDS) < 0.7


@pytest.mark.parametrize("name", ACTIVE)
def test_more_strength_changes_more(picture, name):
    def change(strength: float) -> float:
        policy = Policy(name, strength)
        pairs = ((policy(picture, seed).astype(float), picture.astype(float)) for seed in SEEDS)
        return float(np.mean([min(np.abs(a - b).mean(), np.abs(a[:, ::-1] - b).mean()) for a, b in pairs]))

    weak, usual, strong = change(0.2), change(1.0), change(2.0)
    assert weak < usual < strong


@pytest.mark.parametrize("name", ACTIVE)
def test_mirroring_says_nothing_about_the_other_changes(name):
    """Each step must draw numbers of its own: a mirrored film is as often and as much changed as one that is not."""
    picture = np.tile(np.linspace(20, 150, 64, dtype=np.uint8), (64, 1))  # brighter to the right
    policy = Policy(name, 1.0)
    done = [policy(picture, seed).astype(float) for seed in range(400)]
    mirrored = np.array([d[:, :32].mean() > d[:, 32:].mean() for d in done])
    level = np.array([d[16:48, 16:48].mean() for d in done])
    spread = level.std() / np.sqrt(100)
    assert abs(level[mirrored].mean() - level[~mirrored].mean()) < 4 * spread
    changed = np.abs(level - np.median(level)) > 2
    assert abs(changed[mirrored].mean() - changed[~mirrored].mean()) < 0.2


def test_an_unknown_name_and_a_strength_out_of_range_are_refused():
    with pytest.raises(ValueError, match="'heavy' is not one of none, light"):
        Policy("heavy")
    for strength in (-0.1, 2.1, float("nan")):
        with pytest.raises(ValueError, match="expected 0 to 2"):
            Policy("light", strength)


def test_the_configuration_takes_every_policy_and_no_other():
    for name in get_args(PolicyName):
        assert RegressorConfig(augmentation=name).augmentation == name
    with pytest.raises(ConfigError):
        make_config(RegressorConfig, {"augmentation": "heavy"})


def test_a_mask_moves_with_its_picture():
    hand = synthetic_hand(100, "F", 1, (160, 160), label=False)
    picture, policy = np.where(hand.mask > 0, 200, 40).astype(np.uint8), MaskPolicy()
    agreement, areas = [], []
    for seed in range(60):
        done, mask = policy(picture, hand.mask, seed)
        assert done.shape == mask.shape == (160, 160)
        assert done.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 1}
        halfway = (done[mask > 0].mean() + done[mask == 0].mean()) / 2
        found = done > halfway
        agreement.append((found & (mask > 0)).sum() / (found | (mask > 0)).sum())
        areas.append(mask.sum())
    assert np.median(agreement) > 0.95
    assert np.std(areas) > 0.05 * np.mean(areas)


def test_a_mask_policy_is_decided_by_the_seed(picture):
    mask = (picture > 100).astype(np.uint8)
    for seed in range(5):
        one, other = MaskPolicy()(picture, mask, seed), MaskPolicy()(picture, mask, seed)
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])


def test_no_newer_version_is_looked_for():
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"
