from __future__ import annotations

import pytest

from boneage.data.errors import ConfigError
from boneage.pipeline.node.peers import Peer, Sender, may_send


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("ORTHANC@127.0.0.1:4242", Peer("ORTHANC", "127.0.0.1", 4242)),
        ("MY PACS@pacs.example:104", Peer("MY PACS", "pacs.example", 104)),
        ("A@[::1]:11112", Peer("A", "::1", 11112)),
    ],
)
def test_a_node_is_named_by_title_host_and_port(text, peer):
    assert Peer.parse(text) == peer


@pytest.mark.parametrize("text", ["ORTHANC", "@h:1", "A@h", "A@h:0", "A@h:70000", "SEVENTEEN-LETTERS@h:1", "A\\B@h:1"])
def test_what_names_no_node_is_refused(text):
    with pytest.raises(ConfigError, match="expected AET@HOST:PORT"):
        Peer.parse(text)


@pytest.mark.parametrize("text", ["ORTHANC", "ORTHANC@", "@10.0.0.0/8", "A@10.0.0.300", "A@host"])
def test_what_names_no_sender_is_refused(text):
    with pytest.raises(ConfigError, match="expected CALLING@NET"):
        Sender.parse(text)


@pytest.mark.parametrize(
    ("title", "address", "may"),
    [
        ("ORTHANC", "10.1.2.3", True),
        ("ORTHANC", "::ffff:10.1.2.3", True),
        ("ORTHANC", "11.1.2.3", False),
        ("orthanc", "10.1.2.3", False),
        ("ANYONE", "192.168.0.7", True),
        ("ANYONE", "fe80::1%eth0", False),
    ],
)
def test_a_title_sends_from_its_network(title, address, may):
    senders = [Sender.parse("ORTHANC@10.0.0.0/8"), Sender.parse("*@192.168.0.7")]
    assert may_send(senders, title, address) is may


def test_where_no_sender_is_named_all_may_send():
    assert may_send([], "ANYONE", "1.2.3.4")
