"""The exposed field: borders of a collimator are found, a clean background is none."""

from __future__ import annotations

import numpy as np
import pytest
from hands import SIZE, placed, view_of

from boneage.data.remark import joined
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.field import field_box
from boneage.handseg.quality import judge_hand


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(120, "M", 7, (250, 200))


def test_a_collimator_border_is_no_part_of_the_field(hand):
    pixels, mask = placed(hand, (500, 500), (240, 150), scale=0.7)
    for shades in [(0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0), (0.0, 0.5, 0.3, 1.0)]:
        framed = pixels.copy()
        framed[:, :130], framed[:, 310:] = shades[2], shades[3]
        framed[:200], framed[450:] = shades[0], shades[1]
        view = view_of(framed, mask)
        field = field_box(view)
        expected = np.array([130, 200, 180, 250]) * SIZE / 500
        assert np.abs(np.array(field.as_tuple()) - expected).max() <= 2
        assert "under" not in joined(judge_hand(view).reasons)


@pytest.mark.parametrize("shape", [(500, 380), (380, 500)])
def test_a_grey_border_is_found_on_portrait_and_landscape_films(hand, shape):
    pixels, mask = placed(hand, shape, (60, 90))
    pixels[:50], pixels[-50:], pixels[:, :50], pixels[:, -50:] = 0.6, 0.6, 0.6, 0.6
    field = field_box(view_of(pixels, mask))
    inner = (shape[1] - 100) * (shape[0] - 100) * (SIZE / 500) ** 2
    assert field.area == pytest.approx(inner, rel=0.05)


@pytest.mark.parametrize("level", [0.0, 0.2])
def test_a_clean_background_is_no_border(hand, level):
    """A film without noise around the hand shows a whole hand, not one cut off at every side."""
    pixels, mask = placed(hand, (300, 260), (45, 30))
    pixels[mask == 0] = level
    view = view_of(pixels, mask)
    assert field_box(view).area == view.fit.inside().sum()
    assert judge_hand(view).status == "ok"


def test_an_even_gradient_is_no_border(hand):
    pixels, mask = placed(hand, (300, 260), (45, 30))
    pixels[mask == 0] = np.tile(np.linspace(0.3, 0.0, 300)[:, None], (1, 260))[mask == 0]
    view = view_of(pixels, mask)
    assert field_box(view).area == view.fit.inside().sum()
