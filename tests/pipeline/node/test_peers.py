from __future__ import annotations

import pytest
from click.testing import CliRunner

from boneage.data.errors import ConfigError
from boneage.pipeline.cli import main
from boneage.pipeline.node.peers import Peer, Sender, may_send
from boneage.pipeline.node.stow import Stow


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


STOWS = ["", "x", "ftp://h/", "http://", "http://[", "http://h:99999/", "http://h:0/", "http://h/a b", "http://h/ä"]


@pytest.mark.parametrize("url", [*STOWS, "http://name:word@h/", "http://h/?q=1", "http://h/#part", "http://h/a\nb"])
def test_what_names_no_service_is_refused_before_anything_is_sent(url):
    with pytest.raises(ConfigError, match="is no DICOMweb service, expected such as http"):
        Stow(url)


@pytest.mark.parametrize("value", ["Bearer a\nX: b", "Bearer \ufffd", "Bearer a\0"])
def test_an_authorization_that_no_header_can_have_is_refused_and_not_quoted(value):
    with pytest.raises(ConfigError, match="expected one line") as caught:
        Stow("http://h/", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("option", ["--send-to", "--stow"])
def test_a_blank_destination_is_refused(option):
    done = CliRunner().invoke(main, ["node", option, ""])
    assert (done.exit_code, "expected" in done.stderr) == (2, True)


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
