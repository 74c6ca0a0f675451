"""The transfer syntax of a DICOM's pixel data, and their fragments: by the data, where tags contradict them."""

from __future__ import annotations

from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_fragments

from .codestream import is_codestream, read_codestream, rle_fits
from .remark import Remark, Verbatim
from .samples import misfit

_ITEM = b"\xfe\xff\x00\xe0"  # with which encapsulated pixel data begin
# Of one decoder each, which tells what it is given
_FAMILIES = (
    (*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes),
    uid.JPEG2000TransferSyntaxes,
    (uid.RLELossless,),
)


def is_encapsulated(dataset: Dataset) -> bool:
    """Whether the pixel data of a dataset are encapsulated, as its transfer syntax states; False for unknown ones."""
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    return syntax.is_transfer_syntax and syntax.is_encapsulated


def settle_syntax(dataset: Dataset, length: int, doubts: list[Remark]) -> None:
    """State the transfer syntax of the data where they are plainly of another one; `length`: uncompressed."""
    data, stated = dataset.get("PixelData") or b"", uid.UID(dataset.file_meta.TransferSyntaxUID)
    native = length <= len(data) <= length + 1
    if native and (not stated.is_transfer_syntax or (stated.is_encapsulated and data[:4] != _ITEM)):
        found = uid.ExplicitVRLittleEndian
    elif not native and data[:4] == _ITEM:
        found = _syntax_of(b"".join(_fragments(data)), length)
    else:
        return
    family = next((family for family in _FAMILIES if found in family), (found,))
    if found is not None and stated not in family:
        retired = stated.is_retired and stated.name.startswith("JPEG")  # right, but of no decoder by that name
        if not (retired and found in uid.JPEGTransferSyntaxes):
            doubts.append(misfit(Verbatim("TransferSyntaxUID")))
        dataset.file_meta.TransferSyntaxUID = found


def drop_offsets(dataset: Dataset) -> None:
    """Leave out the table of the frames' offsets, which the only one does not need, where it states anything."""
    table = next(generate_fragments(dataset.PixelData), b"")
    if table not in (b"", bytes(4)):
        dataset.PixelData = encapsulate([b"".join(_fragments(dataset.PixelData))])


def _fragments(data: bytes) -> list[bytes]:
    """The fragments after the table of offsets, or all where there is no table."""
    table, *fragments = [*generate_fragments(data)] or [b""]
    return [table, *fragments] if is_codestream(table) else fragments


def _syntax_of(frame: bytes, length: int) -> uid.UID | None:
    """The transfer syntax of a compressed frame, None for what is not known."""
    if not is_codestream(frame):
        return uid.RLELossless if rle_fits(frame, length) else None
    if not frame.startswith(b"\xff\xd8"):
        return uid.JPEG2000
    stated = read_codestream(frame)
    if stated.lossless:
        return uid.JPEGLSLossless if stated.is_jpeg_ls else uid.JPEGLossless
    return uid.JPEGBaseline8Bit if stated.bits == 8 else uid.JPEGExtended12Bit
