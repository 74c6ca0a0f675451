"""Damaged films by the thousand: whatever is read ends in a radiograph or in the project's own error, within limits.

    python tests/fuzz/campaign.py [--films 10000] [--predictions 1000] [--results 1000] [--seed 0]

Mutates a drawn hand in every format and transfer syntax that can be written here, and has it read, predicted, and
written as DICOM results, in processes of limited memory. Prints the counts; exits with 1 where anything else happened.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from dicom_files import dataset
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from boneage.data.synthetic import synthetic_hand

BATCH = 500  # films for each process
MEMORY = 6 * 2**30  # bytes of address space, most of it never touched
SECONDS = 20.0  # of CPU: others may use the machine, too
HAND = synthetic_hand(120, "F", 0, (300, 240)).pixels
CHILD: dict[str, Any] = {
    "PatientSex": "M",
    "PatientName": "Fuzz^A",
    "PatientID": "1",
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.4",
}


def pictures() -> list[bytes]:
    """The hand as a picture in every format."""
    eight, deep = np.rint(HAND * 255).astype(np.uint8), np.rint(HAND * 4095).astype(np.int64)
    picture = Image.fromarray(eight)
    made = []
    for form, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {"quality": 80}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
    ):
        memory = io.BytesIO()
        picture.save(memory, form, **options)
        made.append(memory.getvalue())
    memory = io.BytesIO()
    Image.fromarray(deep.astype(np.uint16)).save(memory, "PNG")
    return [*made, memory.getvalue()]


def dicoms() -> list[bytes]:
    """The hand as a DICOM in every transfer syntax that can be written here."""
    made, deep = [], np.rint(HAND * 4095).astype(np.int64)
    for syntax in (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ):
        film = dataset(deep, WindowCenter=2048, WindowWidth=4096, PixelSpacing=[0.2, 0.2], **CHILD)
        if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
            film.compress(syntax, generate_instance_uid=False)
        film.file_meta.TransferSyntaxUID = syntax
        memory = io.BytesIO()
        film.save_as(memory, enforce_file_format=True)
        made.append(memory.getvalue())
    return made


def mutated(content: bytes, chance: random.Random) -> bytes:
    """One to eight changes: bits, bytes, cuts and repeats, half of them in the header."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(min(len(changed), chance.choice((600, len(changed)))))
        kind = chance.randrange(6)
        if kind < 2:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[place] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif kind == 3:
            changed[place : place + 4] = chance.randbytes(4)
        elif kind == 4:
            del changed[place : place + chance.choice((1, 2, 8, 100))]
        else:
            changed[place:place] = changed[place : place + chance.choice((1, 4, 64))]
        if len(changed) < 2:
            break
    return bytes(changed)


def _reader() -> Callable[[Path], str]:
    from boneage.data.errors import ReadError
    from boneage.data.read import read_radiograph

    def read(path: Path) -> str:
        try:
            greys = read_radiograph(path).greys
        except ReadError:
            return "refused"
        return "read" if np.isfinite(greys).all() else "not finite"

    return read


def _predictor(results: bool) -> Callable[[Path], str]:
    from boneage import BoneAge
    from boneage.data.errors import BoneAgeError
    from boneage.pipeline.dicom.objects import KINDS, write_dicom
    from boneage.regressor import evidence

    bone_age = BoneAge.load("fast")
    evidence.CELLS = 4  # a heat map of few discs, in a twelfth of the time

    def predict(path: Path) -> str:
        (examination,) = bone_age.examine_batch([(path, "M")])
        if not results:
            return examination.reading.status
        try:
            for kind in KINDS:
                write_dicom(examination, path.with_suffix(f".{kind}"), kind)
        except BoneAgeError:
            return "named"
        return "written"

    return predict


def work(stage: str, first: int, last: int, seed: int) -> Iterator[str]:
    """What becomes of some films; the name of anything that may not happen begins with "BAD"."""
    content = dicoms() if stage == "results" else [*pictures(), *dicoms()]
    act = _reader() if stage == "films" else _predictor(stage == "results")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film")
        for number in range(first, last):
            chance = random.Random(f"{seed} {stage} {number}")
            path.write_bytes(mutated(chance.choice(content), chance))
            start = time.process_time()
            try:
                outcome = act(path)
            except BaseException as error:
                outcome = f"BAD {number} {type(error).__name__}: {error}"[:200]
            if time.process_time() - start > SECONDS:
                outcome = f"BAD {number} took over {SECONDS:g} s of CPU"
            yield outcome


def _limited(stage: str, first: int, last: int, seed: int) -> Counter[str]:
    """The same in a process of limited memory; what ends the process is bad too."""
    command = [sys.executable, __file__, "--work", stage, str(first), str(last), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return Counter(json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return Counter({f"BAD {first} to {last}: process ended with {done.returncode}": 1})


def main() -> int:
    """Run all stages, or one part of a stage in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    for stage, number in (("films", 10_000), ("predictions", 1_000), ("results", 1_000)):
        parser.add_argument(f"--{stage}", type=int, default=number)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        stage, first, last = given.work
        print(json.dumps(Counter(work(stage, int(first), int(last), given.seed))))
        return 0
    bad = False
    for stage in ("films", "predictions", "results"):
        counts: Counter[str] = Counter()
        for first in range(0, getattr(given, stage), BATCH):
            counts += _limited(stage, first, min(first + BATCH, getattr(given, stage)), given.seed)
        print(stage, dict(counts.most_common()), flush=True)
        bad |= any(outcome.startswith(("BAD", "not finite")) for outcome in counts)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
