"""Other nodes of DICOM as options name them: who may send (CALLING@NET), and where results go (AET@HOST:PORT)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ...data.errors import ConfigError

_TITLE = r"[\x21-\x3f\x41-\x5b\x5d-\x7e](?:[\x20-\x3f\x41-\x5b\x5d-\x7e]{0,14}[\x21-\x3f\x41-\x5b\x5d-\x7e])?"
_PEER = re.compile(rf"(?P<title>{_TITLE})@(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@\s]+):(?P<port>\d{{1,5}})")
ANY = "*"


def parse_title(text: str) -> str:
    """Read our own AE title. Raises ConfigError for what is none."""
    if not re.fullmatch(_TITLE, text):
        raise ConfigError(f"{text!r} is no AE title, expected 1 to 16 letters of ASCII without a backslash")
    return text


@dataclass(frozen=True)
class Peer:
    """A node to send to: its AE title and address."""

    title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read AET@HOST:PORT. Raises ConfigError for any other form."""
        match = _PEER.fullmatch(text)
        if not match or not 0 < int(match["port"]) < 65536:
            raise ConfigError(f"{text!r} names no node, expected AET@HOST:PORT such as ORTHANC@127.0.0.1:4242")
        return cls(match["title"], match["host"].strip("[]"), int(match["port"]))

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


@dataclass(frozen=True)
class Sender:
    """Who may send: an AE title, or any, and the network that it sends from."""

    title: str
    network: IPv4Network | IPv6Network

    @classmethod
    def parse(cls, text: str) -> Sender:
        """Read CALLING@NET, where CALLING may be *. Raises ConfigError for any other form."""
        title, _, network = text.rpartition("@")
        try:
            if not re.fullmatch(_TITLE, title):
                raise ValueError
            return cls(title, ip_network(network, strict=False))
        except ValueError:
            raise ConfigError(
                f"{text!r} names no sender, expected CALLING@NET such as ORTHANC@10.0.0.0/8; * is any title, and "
                "0.0.0.0/0 any address"
            ) from None

    def sends(self, title: str, address: str) -> bool:
        """Whether an association is this sender's."""
        return self.title in (ANY, title) and self.reaches(address)

    def reaches(self, address: str) -> bool:
        """Whether an address is of this sender's network."""
        at = ip_address(address.partition("%")[0])
        return ((at.ipv4_mapped or at) if isinstance(at, IPv6Address) else at) in self.network


def may_send(senders: Sequence[Sender], title: str, address: str) -> bool:
    """Whether an association may be made; where no senders are named, by whoever reaches the node."""
    return not senders or any(sender.sends(title, address) for sender in senders)
