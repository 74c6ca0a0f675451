"""Decode the only picture of a DICOM and check its size, samples and length; compressed data are checked before."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, generate_frames
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import get_expected_length, pixel_array
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

from .codestream import is_codestream, read_codestream, rle_fits
from .damage import counts_round, damage_of_codestream
from .dicom_samples import Bits, Stored, as_sampled, float_padding
from .dicom_syntax import drop_offsets, is_encapsulated, settle_syntax
from .errors import ReadError
from .radiograph import NOT_NUMBERS, check_decoding, check_size
from .remark import Remark, Verbatim
from .samples import misfit
from .tags import found_in, number_of, numbers_of

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_SIDES = ("Rows", "Columns")
_OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")  # of frames, which a single one does not need
_SAMPLE = 512  # rows that tell a difference well enough
_LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
_ROUNDING = 0.005  # of the range, by which equal samples of a pixel may differ
_MOST_MORE = 0.01  # of the length of pixel data, which may stand after their end


def read_stored(path: str, dataset: Dataset, grey: bool, notes: list[Remark], doubts: list[Remark]) -> Stored:
    """Decode the only frame. `grey`: of one sample a pixel, as the photometric interpretation states it.

    Raises ReadError for several frames and for whatever is not as large as Rows and Columns state.
    """
    shape = _shape(path, dataset, notes)
    _check_frames(path, dataset, notes)
    samples = _samples(dataset, grey, notes)
    bits = _bits(path, dataset, notes, doubts)
    check_decoding(path, shape[1], shape[0], samples * max(bits.allocated // 8, 1))
    settle_syntax(dataset, shape[0] * shape[1] * samples * bits.allocated // 8, doubts)
    if is_encapsulated(dataset):
        bits = _check_frame(path, dataset, shape, samples, bits, doubts)
    else:
        _check_length(path, dataset, doubts)
    values = _grey_of_equal(path, _decoded(dataset, samples, doubts), grey, notes)
    if values.shape[:2] != shape or values.ndim != (2 if grey else values.ndim):
        found = Verbatim(" x ".join(map(str, values.shape)))
        remark = Remark(
            "its pixel data decode to {found}, expected {rows} rows and {columns} columns; export it again",
            found=found,
            rows=shape[0],
            columns=shape[1],
        )
        raise ReadError(path, remark)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ReadError(path, NOT_NUMBERS)
        return Stored(values, float_padding(dataset, values, notes))
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return as_sampled(dataset, values, bits, grey, notes, doubts)


def _shape(path: str, dataset: Dataset, notes: list[Remark]) -> tuple[int, int]:
    sides = []
    for name in _SIDES:
        numbers = numbers_of(dataset, name, notes)
        if len(numbers) != 1 or numbers[0] < 1 or not numbers[0].is_integer():
            remark = Remark(
                "{name} is {found}, expected one whole number of pixels; export it again",
                name=Verbatim(name),
                found=found_in(dataset, name),
            )
            raise ReadError(path, remark)
        sides.append(int(numbers[0]))
        dataset.add_new(name, "US", sides[-1])
    check_size(path, sides[1], sides[0])
    return sides[0], sides[1]


def _check_frames(path: str, dataset: Dataset, notes: list[Remark]) -> None:
    frames = number_of(dataset, "NumberOfFrames", notes) if "NumberOfFrames" in dataset else 1
    if frames is not None and frames > 1:
        raise ReadError(path, several_frames(int(frames)))
    dataset.add_new("NumberOfFrames", "IS", 1)  # pydicom reads it again; where it is malformed, the pixel data tell
    for name in _OFFSETS:
        if name in dataset:
            del dataset[name]


def several_frames(frames: int) -> Remark:
    """Why a DICOM of several pictures is refused."""
    return Remark("is a multi-frame DICOM of {frames} pictures, expected one; export a single frame", frames=frames)


def _samples(dataset: Dataset, grey: bool, notes: list[Remark]) -> int:
    stated = number_of(dataset, "SamplesPerPixel", notes)
    samples = int(stated) if stated in (1, 3, 4) else 1 if grey else 3
    dataset.add_new("SamplesPerPixel", "US", samples)
    if samples > 1:
        planar = number_of(dataset, "PlanarConfiguration", notes)
        dataset.add_new("PlanarConfiguration", "US", int(planar == 1))
    return samples


def _bits(path: str, dataset: Dataset, notes: list[Remark], doubts: list[Remark]) -> Bits:
    """The bits of a sample as stated; all of them are stored where that is missing or impossible."""
    stated = number_of(dataset, "BitsAllocated", notes)
    if stated is None or not (stated == 1 or (stated % 8 == 0 and 8 <= stated <= 64)):
        found = found_in(dataset, "BitsAllocated")
        remark = Remark("BitsAllocated is {found}, expected 8, 16 or 32; export it again", found=found)
        raise ReadError(path, remark)
    allocated = int(stated)
    stored, high = (number_of(dataset, name, notes) for name in ("BitsStored", "HighBit"))
    if stored is None or not 1 <= stored <= allocated:
        if "PixelData" in dataset:
            found = found_in(dataset, "BitsStored")
            remark = Remark(
                "BitsStored is {found}, expected 1 to {allocated}; all bits of the samples were read",
                found=found,
                allocated=allocated,
            )
            doubts.append(remark)
        stored, high = allocated, allocated - 1
    if high is None or not stored - 1 <= high < allocated:
        high = stored - 1
    signed = number_of(dataset, "PixelRepresentation", notes)
    dataset.add_new("PixelRepresentation", "US", int(signed == 1))
    return _stating(dataset, Bits(allocated, int(stored), int(high)))


def _stating(dataset: Dataset, bits: Bits) -> Bits:
    """The bits, which the dataset states now."""
    for name, value in (("BitsAllocated", bits.allocated), ("BitsStored", bits.stored), ("HighBit", bits.high)):
        dataset.add_new(name, "US", value)
    return bits


def _check_length(path: str, dataset: Dataset, doubts: list[Remark]) -> None:
    """Refuse uncompressed pixel data that are plainly longer than one picture; of those too short, pydicom says so."""
    name = next(name for name in PIXELS if name in dataset)
    length, expected = len(dataset[name].value or b""), get_expected_length(dataset)
    more = length - expected - expected % 2
    if 0 < more <= _MOST_MORE * expected:
        doubts.append(Remark("the pixel data are {more} bytes longer than the picture; these were ignored", more=more))
        dataset[name].value = dataset[name].value[: length - more]
    elif more > 0:
        remark = Remark(
            "its pixel data are {length} bytes long, expected {expected} for one picture of {rows} rows and {columns} "
            "columns; it holds several pictures, or its header is wrong: export it again",
            length=length,
            expected=expected,
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
        )
        raise ReadError(path, remark)


def _decoded(dataset: Dataset, samples: int, doubts: list[Remark]) -> np.ndarray:
    """The samples as they are stored; those of colour as RGB.

    A film stored in colour is grey, so that its last two samples are equal, in RGB as in YBR. Samples that are equal in
    another order, or as RGB where YBR is stated, are read so, and the header is doubted; but not those of a lossy JPEG,
    which states itself what they are.
    """
    colour = samples == 3 and dataset.PhotometricInterpretation in ("RGB", "YBR_FULL")
    colour = colour and dataset.file_meta.TransferSyntaxUID not in _LOSSY_JPEG
    stated = pixel_array(dataset, raw=colour, correct_unused_bits=False)
    if not colour:
        return stated
    shape, planar = stated.shape, dataset.PlanarConfiguration
    other = stated.transpose(2, 0, 1).reshape(shape) if planar else stated.reshape(3, *shape[:2]).transpose(1, 2, 0)
    if _is_equal(other) and _difference(other) < _difference(stated) / 4:
        doubts.append(misfit(Verbatim("PlanarConfiguration")))
        stated = other
    if dataset.PhotometricInterpretation == "RGB":
        return stated
    if _is_equal(stated) and _is_equal(stated[..., :2]):
        doubts.append(misfit(Verbatim("PhotometricInterpretation")))
        return stated
    return convert_color_space(stated, "YBR_FULL", "RGB")


def _is_equal(samples: np.ndarray) -> bool:
    """Whether the last two samples of the pixels are equal, but for rounding."""
    return _difference(samples) <= _ROUNDING * np.iinfo(samples.dtype).max


def _difference(samples: np.ndarray) -> float:
    """Mean difference of the last two samples of the pixels."""
    step = max(samples.shape[0] // _SAMPLE, 1)
    one, other = (samples[::step, :, k].astype(np.float32) for k in (-1, -2))
    return float(np.abs(one - other).mean())


def _check_frame(
    path: str, dataset: Dataset, shape: tuple[int, int], samples: int, bits: Bits, doubts: list[Remark]
) -> Bits:
    """Refuse compressed pixel data of more than one picture, of another size, or too costly; doubt damaged ones.

    Returns the bits of a sample, by the compressed picture where it has others than the tags can hold.
    """
    frames = sum(map(is_codestream, generate_fragments(dataset.PixelData)))
    if frames > 1:
        raise ReadError(path, several_frames(frames))
    drop_offsets(dataset)
    frame = next(iter(generate_frames(dataset.PixelData, number_of_frames=1)))
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        expected = shape[0] * shape[1] * samples * bits.allocated // 8
        if not rle_fits(frame, expected):
            remark = Remark(
                "its run lengths decode to more than its {expected} bytes; export it again", expected=expected
            )
            raise ReadError(path, remark)
        return bits
    stated = read_codestream(frame)
    if (stated.height, stated.width) != shape or stated.samples != samples:
        remark = Remark(
            "its compressed picture is {width} x {height} x {samples}, its tags state {columns} x {rows} x {expected}; "
            "export it again",
            width=stated.width,
            height=stated.height,
            samples=stated.samples,
            columns=shape[1],
            rows=shape[0],
            expected=samples,
        )
        raise ReadError(path, remark)
    check_decoding(path, stated.width, stated.height, stated.sample_bytes * stated.samples, stated.scans, stated.tiles)
    doubts.extend(damage_of_codestream(frame))
    if counts_round(frame, stated):
        doubts.append(
            Remark("the lossless JPEG counts past black or white, which is not decoded right; store it otherwise")
        )
    if 8 * stated.sample_bytes == bits.allocated:
        return bits
    remark = Remark(
        "BitsAllocated is {allocated}, but the compressed picture has {bits} bits; all of them were read",
        allocated=bits.allocated,
        bits=stated.bits,
    )
    doubts.append(remark)
    return _stating(dataset, Bits(8 * stated.sample_bytes, stated.bits, stated.bits - 1))


def _grey_of_equal(path: str, values: np.ndarray, grey: bool, notes: list[Remark]) -> np.ndarray:
    """Grey values that are stored as several equal samples; other pictures as they are."""
    if not grey or values.ndim != 3:
        return values
    if (values == values[..., :1]).all():
        notes.append(Remark("grey levels are stored as {count} equal samples", count=values.shape[2]))
        return np.ascontiguousarray(values[..., 0])
    remark = Remark(
        "its grey pixels have {count} different samples, expected one; export it again", count=values.shape[2]
    )
    raise ReadError(path, remark)
