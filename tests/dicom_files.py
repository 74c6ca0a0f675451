"""Small DICOM files for tests: a computed radiograph of any greys, and objects of any SOP class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    generate_uid,
)


def dataset(
    stored: np.ndarray, bits: int = 12, kind: str = ComputedRadiographyImageStorage, **tags: Any
) -> FileDataset:
    """Give a radiograph of `stored` as a SOP class `kind`, MONOCHROME2 and without LUTs unless `tags` say otherwise."""
    ds = _empty(kind, "CR")
    _picture(ds, stored, bits)
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def write(ds: FileDataset, path: Path) -> Path:
    """Store a dataset as a DICOM file."""
    ds.save_as(path, enforce_file_format=True)
    return path


def write_object(path: Path, kind: str, modality: str | None = None, side: int = 64, **tags: Any) -> Path:
    """Store an object of the SOP class `kind`; with a picture where `side` is not 0."""
    ds = _empty(kind, modality)
    if side:
        _picture(ds, np.tile(np.arange(side, dtype=np.uint8), (side, 1)), 8)
    for name, value in tags.items():
        setattr(ds, name, value)
    ds.save_as(path)
    return path


def lut(entries: np.ndarray, first: int = 0, bits: int = 16) -> list[Dataset]:
    """Give a LUT sequence that maps the values from `first` on to `entries`."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries) % 2**16, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return [item]


def _empty(kind: str, modality: str | None) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(kind), generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    if kind != MediaStorageDirectoryStorage:
        ds.SOPClassUID, ds.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    if modality is not None:
        ds.Modality = modality
    return ds


def _picture(ds: FileDataset, stored: np.ndarray, bits: int) -> None:
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    if stored.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 8 if bits <= 8 else 16
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(stored.min() < 0)
    kind = ("u", "i")[ds.PixelRepresentation] + str(ds.BitsAllocated // 8)
    content = stored.astype(f"<{kind}").tobytes()
    ds.PixelData = content + b"\0" * (len(content) % 2)
    ds["PixelData"].VR = "OB" if bits <= 8 else "OW"
