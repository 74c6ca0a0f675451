"""Results go to another node by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import AE
from pynetdicom.association import Association

from .destinations import Away
from .peers import Peer

RESULTS = (Comprehensive3DSRStorage, SecondaryCaptureImageStorage, SegmentationStorage)


class CStore:
    """A node that takes results by C-STORE, all of a film in one association."""

    def __init__(self, peer: Peer, title: str, timeout: float = 60) -> None:
        """`title`: our own. `timeout`: seconds for each answer."""
        self.peer, self.entity = peer, AE(ae_title=title)
        self.entity.acse_timeout = self.entity.dimse_timeout = self.entity.network_timeout = timeout
        self.entity.connection_timeout = timeout
        for kind in RESULTS:
            self.entity.add_requested_context(kind, ExplicitVRLittleEndian)
        self.entity.add_requested_context(SecondaryCaptureImageStorage, JPEGLSLossless)

    def __str__(self) -> str:
        return str(self.peer)

    def send(self, key: str, files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Send files as they lie on disk, or decompressed where the node takes no JPEG-LS."""
        try:
            association = self.entity.associate(self.peer.host, self.peer.port, ae_title=self.peer.title)
        except OSError as error:  # no address of this name
            raise Away(error.strerror or str(error)) from error
        if not association.is_established:
            raise Away("it rejects us" if association.is_rejected else "it does not answer")
        try:
            for file in files:
                yield file, self._refused(association, file)
        finally:
            association.release()

    def _refused(self, association, file: Path) -> str:
        try:
            answer = association.send_c_store(_sendable(association, file))
        except ValueError:  # no presentation context of this kind was accepted
            return "it does not take this kind of object"
        except RuntimeError as error:
            raise Away("it ended the association") from error
        if "Status" not in answer:
            raise Away("it does not answer")
        # 0x0000 is success, 0xB000 to 0xBFFF a warning about an object that was stored
        return "" if answer.Status == 0 or answer.Status >> 12 == 0xB else f"status 0x{answer.Status:04X}"


def _sendable(association: Association, file: Path) -> Path | Dataset:
    """The file itself, or its decompressed content where the node did not accept how it is compressed."""
    accepted = {syntax for context in association.accepted_contexts for syntax in context.transfer_syntax}
    if read_file_meta_info(file).TransferSyntaxUID != JPEGLSLossless or JPEGLSLossless in accepted:
        return file
    result = dcmread(file)
    result.decompress(generate_instance_uid=False)
    return result
