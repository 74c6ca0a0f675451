"""Small DICOM files for tests: a computed radiograph of any greys, and objects of any SOP class."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    generate_uid,
)


def dataset(stored: np.ndarray, bits: int = 12, **tags: Any) -> FileDataset:
    """Give a computed radiograph of `stored`, MONOCHROME2 and without LUTs unless `tags` say otherwise."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = ComputedRadiographyImageStorage, meta.MediaStorageSOPInstanceUID
    ds.Modality = "CR"
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
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def write_object(path, kind, modality: str | None = None, side: int = 64, **tags):
    """A DICOM; with a picture where `side` is not 0."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    thing = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    if kind != MediaStorageDirectoryStorage:
        thing.SOPClassUID, thing.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    if modality is not None:
        thing.Modality = modality
    if side:
        thing.Rows = thing.Columns = side
        thing.SamplesPerPixel, thing.PhotometricInterpretation = 1, "MONOCHROME2"
        thing.BitsAllocated = thing.BitsStored = 8
        thing.HighBit, thing.PixelRepresentation = 7, 0
        thing.PixelData = bytes(range(side)) * side
        thing["PixelData"].VR = "OB"
    for name, value in tags.items():
        setattr(thing, name, value)
    thing.save_as(path)
    return path
