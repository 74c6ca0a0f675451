"""Find the hand on films and write what was found: mask, crop, overlay, and a record with the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.errors import as_film_error
from ..data.files import MARK, is_marked, refuse_foreign, refuse_inputs, whole_file
from ..data.inputs import named_files, output_names, read_inputs
from ..data.inputs_table import InputRow
from ..data.progress import tracked
from ..data.radiograph import Radiograph
from ..data.read import read_radiograph
from ..data.source import Film, name_of
from ..handseg.crop import CROP_VERSION, Crop
from ..handseg.finder import Hand, HandFinder
from ..regressor.common import common_header
from ..weights.backend import chosen_backend
from ..weights.bundle import read_bundle
from .overlay import outlined, write_png
from .predict.cohort import Tally

PICTURES = ("mask", "crop", "overlay")


def load_finder(weights: str | Path = "default", device: str = "auto", engine: str = "auto") -> tuple[HandFinder, str]:
    """A bundle's hand finder, which cuts crops of the size that its regressor reads, and the bundle's name.

    Raises WeightsError, and ConfigError for a device or engine that is not there.
    """
    backend = chosen_backend(device, engine)
    bundle = read_bundle(weights)
    return HandFinder.load(bundle.segmenter, common_header(bundle.regressors).input_size, backend), bundle.name


def segment_films(
    films: Film | Iterable[Film | InputRow],
    finder: HandFinder,
    out: str | Path,
    model: str = "",
    *,
    on_record: Callable[[dict[str, Any]], None] | None = None,
) -> Tally:
    """Segment films of any number, as `segment_file` does, each under a name of its own; returns counts.

    films: as for `data.inputs.read_inputs`. on_record: called with each film's record. Raises what
    `read_inputs` raises, ReadError where no file is a film, and before any film is read OutputError for a file in `out`
    that may not be replaced.
    """
    rows = read_inputs(films)
    names, tally = output_names([row.path for row in rows]), Tally()
    ends = (".json", *(f"-{kind}.png" for kind in PICTURES))
    outputs = [("OUT", Path(out) / f"{name}{end}") for name in names for end in ends]
    refuse_inputs(outputs, named_files(rows))
    for _, path in outputs:
        refuse_foreign(path)
    for row, name in tracked("Segmenting", zip(rows, names, strict=True), len(rows)):
        source = row.opened()
        if source and source.no_film:
            tally.no_films[source.no_film] += 1
            continue
        record = segment_file(source or row.path, finder, out, name, model)
        tally.statuses[record["status"]] += 1
        if on_record:
            on_record(record)
    tally.refuse_none()
    return tally


def segment_file(film: Film, finder: HandFinder, out: str | Path, name: str, model: str = "") -> dict[str, Any]:
    """Segment one radiograph and write `out/name.json` and, where a hand was found, three pictures beside it.

    `name-mask.png`: the hand, 255 on 0, in the geometry of the original. `name-crop.png`: the prepared square.
    `name-overlay.png`: the radiograph with the hand's outline (orange) and the box of the crop (blue).
    Returns the record that the JSON holds: file, status, reasons, notes, width and height of the original, hand_box (x,
    y, width, height in original pixels, null without a hand), crop (its box in original pixels, its size, version,
    `quarter_turns` anticlockwise that brought the hand upright, and `to_original`, the 2 x 3 matrix that
    takes (x, y, 1) in the crop to (x, y) in the original, pixel centres being whole numbers; null without a crop),
    model and made_by. Pictures that an earlier run left under `name` are removed where none is made now.
    A file that cannot be read gets a record of status failed.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, NDArray[np.uint8] | None] = dict.fromkeys(PICTURES)
    record: dict[str, Any] = {"file": name_of(film), "status": "failed", "reasons": [], "notes": []}
    record |= {"width": None, "height": None, "hand_box": None, "crop": None, "model": model, "made_by": MARK}
    try:
        radiograph = read_radiograph(film)
        hand = finder.find([radiograph])[0]
        pictures, record = _pictures(radiograph, hand), record | _findings(radiograph, hand)
    except BaseException as error:  # any error is a result of this film alone
        record["reasons"] = [str(as_film_error(record["file"], error))]
    for kind, picture in pictures.items():
        path = out / f"{name}-{kind}.png"
        if picture is not None:
            write_png(Image.fromarray(picture), path)
        elif is_marked(path):
            path.unlink()
    with whole_file(out / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return record


def _findings(radiograph: Radiograph, hand: Hand) -> dict[str, Any]:
    height, width = radiograph.pixels.shape
    return {
        "status": hand.verdict.status,
        "reasons": [str(reason) for reason in hand.verdict.reasons],
        "notes": [str(note) for note in (*radiograph.notes, *hand.notes)],
        "width": width,
        "height": height,
        "hand_box": list(hand.box.as_tuple()) if hand.box else None,
        "crop": _way_back(hand, hand.crop) if hand.crop else None,
    }


def _way_back(hand: Hand, crop: Crop) -> dict[str, Any]:
    corner, right, down = hand.to_original(np.array([(0, 0), (1, 0), (0, 1)]))
    # one step in the crop goes along one axis of the original and not along the other, but for rounding
    scale = hand.crop_scale[:, None]
    steps = np.rint(np.column_stack([right - corner, down - corner]) / scale) * scale + 0.0
    return {
        "box": list(hand.crop_box.as_tuple()) if hand.crop_box else None,
        "size": crop.fit.size,
        "version": CROP_VERSION,
        "quarter_turns": crop.fit.rotation,
        "to_original": np.column_stack([steps, corner]).tolist(),
    }


def _pictures(radiograph: Radiograph, hand: Hand) -> dict[str, NDArray[np.uint8] | None]:
    return {
        "mask": None if hand.mask is None else hand.mask.astype(np.uint8) * 255,
        "crop": None if hand.crop is None else hand.crop.pixels,
        "overlay": None if hand.crop is None else outlined(radiograph, hand),
    }
