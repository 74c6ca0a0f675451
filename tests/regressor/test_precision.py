"""The precision that a net is trained in."""

from __future__ import annotations

import pytest
import torch

from boneage.regressor.training import precision


@pytest.mark.parametrize(
    ("able", "pays", "chosen"),
    [
        ({}, True, "32-true"),
        ({"avx512_bf16": True}, True, "bf16-mixed"),
        ({"avx512_bf16": True}, False, "32-true"),
        ({"avx512_bf16": False, "amx_bf16": True}, True, "bf16-mixed"),
    ],
)
def test_a_cpu_trains_in_bfloat16_only_where_it_can_and_where_that_pays(monkeypatch, able, pays, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pays)
    assert precision.fastest_precision() == chosen


@pytest.mark.parametrize(("half", "pays"), [(0.1, True), (0.95, False), (1.3, False)])
def test_bfloat16_pays_where_it_is_clearly_faster(monkeypatch, half, pays):
    monkeypatch.setattr(precision, "_seconds", lambda _net, _films, in_half: half if in_half else 1.0)
    precision.bfloat16_pays.cache_clear()
    assert precision.bfloat16_pays() is pays
    precision.bfloat16_pays.cache_clear()


def test_asking_changes_neither_random_numbers_nor_threads():
    precision.bfloat16_pays.cache_clear()
    torch.manual_seed(3)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    precision.bfloat16_pays()
    assert torch.equal(before, torch.random.get_rng_state())
    assert threads == torch.get_num_threads()
