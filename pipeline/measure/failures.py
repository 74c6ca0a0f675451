"""Known failures on drawn hands: how a bundle reads films that are not as they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from ...data.synthetic import SyntheticHand, synthetic_hand
from ..overlay import write_png
from ..predict.bone_age import BoneAge
from ..reading import Reading
from .copies import Pixels, grey

AGE_MONTHS, SEX = 120.0, "F"  # of every hand drawn
SHOWN = 200  # pixels of a shown picture's longer side
_SEED, _SIZE = 36, (512, 400)
_GREYS = 32  # grey levels of a shown picture: few, to keep its file small


@dataclass(frozen=True)
class Case:
    """A film that is not as it should be: `title` in words, `draw` gives its pixels, float32 in [0, 1]."""

    title: str
    draw: Callable[[], Pixels]


def show_cases(bone_age: BoneAge, folder: str | Path) -> dict[str, Reading]:
    """Read a film of every case, write a small `case-NAME.png` of each to `folder`, and return the readings by name."""
    shown = {}
    with TemporaryDirectory(prefix="boneage-") as temporary:
        for name, case in CASES.items():
            picture = grey(case.draw())
            film, file = Path(temporary, f"{name}.png"), f"case-{name}.png"
            picture.save(film)
            shown[file] = bone_age.predict(film, SEX)
            picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
            write_png(picture.quantize(_GREYS, dither=Image.Dither.NONE), Path(folder) / file, optimize=True)
    return shown


@cache
def _hand(label: bool = True) -> SyntheticHand:
    return synthetic_hand(AGE_MONTHS, SEX, _SEED, _SIZE, label=label)


def _upright() -> Pixels:
    return _hand().pixels


def _in_plaster() -> Pixels:
    """Bright and blurred from the forearm to the middle of the palm, as plaster does."""
    film, height = _upright(), _SIZE[0]
    thickness = np.minimum(1.4 * cv2.GaussianBlur(_hand().mask.astype(np.float32), (0, 0), 7), 1)
    below = 1 / (1 + np.exp((0.55 * height - np.arange(height, dtype=np.float32)) / 4))
    amount = thickness * below[:, None]
    return np.asarray(film * (1 - amount) + (0.35 + 0.55 * cv2.GaussianBlur(film, (0, 0), 6)) * amount, np.float32)


def _small() -> Pixels:
    """The hand on a third of the film's sides, the rest background."""
    hand = cv2.resize(_upright(), None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    film = np.full(_SIZE, np.median(hand[:, :3]), np.float32)
    film[: hand.shape[0], : hand.shape[1]] = hand
    return np.roll(film, hand.shape, (0, 1))


CASES: Mapping[str, Case] = {
    "upright": Case("as it should be", _upright),
    "rotated": Case("rotated by 90 degrees", lambda: np.rot90(_upright())),
    "two": Case("two hands", lambda: np.hstack([_upright(), _hand(label=False).pixels[:, ::-1]])),
    "cut-off": Case("fingers cut off", lambda: _upright()[_SIZE[0] // 3 :]),
    "plaster": Case("a wrist in plaster", _in_plaster),
    "small": Case("a small hand on a large film", _small),
}
