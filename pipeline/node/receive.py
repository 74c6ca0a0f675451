"""Receive films by C-STORE, and answer C-ECHO. A film is on disk before its sender has the answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pydicom.uid import (
    JPEG2000,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # pyright: ignore[reportAttributeAccessIssue]
from pynetdicom.transport import ThreadedAssociationServer

from ...data.errors import unheard
from ...data.source import MAX_BYTES
from ...data.text import for_line
from .peers import Sender, may_send
from .spool import Spool, short

log = logging.getLogger(__name__)

FILMS = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
SYNTAXES = [  # what `data.dicom` reads
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
    *(JPEGLosslessSV1, JPEGLossless, JPEG2000Lossless, JPEGLSLossless, RLELossless),
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, JPEGLSNearLossless),
]
ASSOCIATIONS = 64  # at the same time; a sender beyond them is asked to try again
# status of C-STORE, PS3.4 B.2.3
STORED, OUT_OF_RESOURCES, REFUSED = 0x0000, 0xA700, 0xC000
_NO_REQUEST, _CLOSED = "Sta2", "Evt17"  # state and event of the protocol's machine, PS3.8 9.2
_REJECTED_TITLE = (1, 1, 3)  # of an association, PS3.8 9.3.4: for good, by the user, calling AE title not recognised


def listen(
    spool: Spool, title: str, host: str, port: int, senders: Sequence[Sender] = (), timeout: float = 60
) -> ThreadedAssociationServer:
    """Accept associations that call `title` at host and port until the server's `shutdown`, in threads of its own.

    senders: who may call; anyone where none is named. timeout: seconds that a silent peer is waited for. Port 0 is any
    free one. Raises OutputError where the address cannot be had.
    """
    entity = AE(ae_title=title)
    entity.require_called_aet = True
    entity.maximum_associations = ASSOCIATIONS
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout
    entity.add_supported_context(Verification)
    for kind in FILMS:
        entity.add_supported_context(kind, SYNTAXES)
    receiver = _Receiver(spool, senders)
    handlers: Any = [
        (evt.EVT_REQUESTED, receiver.requested),
        (evt.EVT_FSM_TRANSITION, receiver.moved),
        (evt.EVT_DATA_RECV, receiver.heard),
        (evt.EVT_C_STORE, receiver.store),
    ]
    try:
        server = entity.start_server((host, port), block=False, evt_handlers=handlers)
    except OSError as error:
        raise unheard(host, port, error) from error
    assert server is not None
    # a connection from elsewhere is closed at once, since pynetdicom reads whatever length a peer announces

    def verify_request(request: Any, client_address: Any) -> bool:
        return not senders or any(sender.reaches(client_address[0]) for sender in senders)

    server.verify_request = verify_request
    if server.socket:
        server.socket.listen(ASSOCIATIONS)  # pynetdicom lets 5 wait, and who comes then loses a second
    return server


class _Receiver:
    def __init__(self, spool: Spool, senders: Sequence[Sender]) -> None:
        self.spool, self.senders = spool, senders
        self._bytes: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # by association, since its last film

    def requested(self, event: Any) -> None:
        """Reject an association of one who may not send."""
        title, address = _who(event)
        if not may_send(self.senders, title, address):
            log.warning("%s: may not send, and is rejected; --allow names who may", for_line(f"{title}@{address}"))
            event.assoc.acse.send_reject(*_REJECTED_TITLE)
            event.assoc.kill()  # which waits until the answer was sent

    def moved(self, event: Any) -> None:
        """End an association that was closed before it was asked for, as checks of a balancer are.

        pynetdicom would go on waiting for the request, in two threads for each, until its timeout.
        """
        if event.current_state == _NO_REQUEST and event.fsm_event == _CLOSED:
            event.assoc.dul.to_user_queue.put(None)

    def heard(self, event: Any) -> None:
        """Abort an association that sends more than any film has, before it fills the memory."""
        heard = self._bytes[event.assoc] = self._bytes.get(event.assoc, 0) + len(event.data)
        if _too_much(heard):
            log.warning(
                "%s: sends a film of over %d bytes, and is broken off", for_line("@".join(_who(event))), MAX_BYTES
            )
            event.assoc.abort()

    def store(self, event: Any) -> int:
        """Store a film, then say so."""
        if _too_much(self._bytes.pop(event.assoc, 0)):
            return REFUSED  # it came whole before it was broken off
        data = event.encoded_dataset(include_meta=False)
        header = event.encoded_dataset()[: -len(data) or None]
        sender = for_line("@".join(_who(event)))
        try:
            key, new = self.spool.receive(data, header)
        except OSError as error:
            log.error("a film of %s cannot be stored (%s); its sender is asked to try again", sender, error.strerror)
            return OUT_OF_RESOURCES
        log.info("film %s: %s %s", short(key), "received from" if new else "is known, sent again by", sender)
        return STORED


def _too_much(heard: int) -> bool:
    """Whether so many bytes are beyond any film, with its commands and the headers of its PDUs."""
    return heard > MAX_BYTES + 1_000_000


def _who(event: Any) -> tuple[str, str]:
    """AE title and address of the peer."""
    requestor = event.assoc.requestor
    primitive = requestor.primitive
    return str(primitive.calling_ae_title if primitive else "").strip(), str(requestor.address)
