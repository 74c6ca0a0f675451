"""A node on the loopback, with foreign clients and with peers that are away, refuse, or go on and on."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("pynetdicom", reason="the extra serve is not installed")

from dicom_files import dataset
from nodes import Stub, film, running, send, until
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt

from boneage.data.errors import OutputError
from boneage.pipeline.cli import main
from boneage.pipeline.node import cstore, deliver, read, receive
from boneage.pipeline.node import spool as spool_module
from boneage.pipeline.node.cstore import CStore
from boneage.pipeline.node.destinations import Away, Folder
from boneage.pipeline.node.peers import Peer, Sender
from boneage.pipeline.node.spool import Spool
from boneage.pipeline.node.stow import Stow

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def made_at_once(monkeypatch):
    """Results are the films themselves, as far as DICOM's network is concerned, and tries follow each other."""
    monkeypatch.setattr(read, "as_dicom", lambda examination, _: Path(examination.reading.file).read_bytes())
    monkeypatch.setattr(cstore, "RESULTS", [ComputedRadiographyImageStorage])
    monkeypatch.setattr(deliver, "LONGEST", 0.05)


def delivered(folder: Path, kind: str = "sr") -> list[Path]:
    return sorted(folder.glob(f"*-{kind}.dcm"))


# In


def dcmtk(program: str) -> str:
    found = shutil.which(program, path="/usr/local/bin:/usr/bin")  # pynetdicom installs programs of the same names
    if not found:
        pytest.skip(f"{program} is not installed (Debian package dcmtk)")
    return found


def test_dcmtk_sends_a_film_and_hears_an_echo(tmp_path):
    film().save_as(tmp_path / "film.dcm", enforce_file_format=True)
    with running(tmp_path / "spool", Folder(tmp_path / "out")) as port:
        at = ["-aec", "BONEAGE", "127.0.0.1", str(port)]
        assert subprocess.run([dcmtk("echoscu"), *at]).returncode == 0
        assert subprocess.run([dcmtk("storescu"), *at, str(tmp_path / "film.dcm")]).returncode == 0
        until(lambda: len([*(tmp_path / "out").glob("*.dcm")]) == 3)
    assert [len(delivered(tmp_path / "out", kind)) for kind in ("sr", "sc", "seg")] == [1, 1, 1]
    (mark,) = (tmp_path / "spool" / "done").iterdir()
    assert not [*(tmp_path / "spool" / "waiting").iterdir()]
    assert delivered(tmp_path / "out")[0].name == f"{mark.name[:12]}-sr.dcm"


def test_titles_and_networks_are_checked(tmp_path):
    dcmtk("echoscu")
    senders = [Sender.parse("ORTHANC@127.0.0.0/8"), Sender.parse("*@10.0.0.0/8")]
    with running(tmp_path / "spool", Folder(tmp_path / "out"), senders=senders) as port:
        assert send(port, [film()], "ORTHANC") == [0]
        assert send(port, [film(2)], "STRANGER") == []
        assert send(port, [film(2)], "ORTHANC", called="OTHER") == []
        asked = [dcmtk("echoscu"), "-aet", "STRANGER", "-aec", "BONEAGE", "127.0.0.1", str(port)]
        refused = subprocess.run(asked, capture_output=True, text=True)
        assert refused.returncode != 0
        assert "Calling AE Title Not Recognized" in refused.stderr


def test_one_from_elsewhere_is_not_listened_to(tmp_path):
    senders = [Sender.parse("*@10.0.0.0/8")]
    with (
        running(tmp_path / "spool", Folder(tmp_path / "out"), senders=senders) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as asked,
    ):
        assert asked.recv(1) == b""


@pytest.mark.slow
def test_two_hundred_films_at_once_are_each_read_once(tmp_path):
    films, reader = [film(number) for number in range(1, 201)], Stub()
    with running(tmp_path / "spool", Folder(tmp_path / "out"), reader, kinds=("sr",)) as port:
        parts = [films[start::8] for start in range(8)]
        with ThreadPoolExecutor(8) as pool:
            statuses = [status for each in pool.map(lambda part: send(port, part), parts) for status in each]
        again = send(port, films[:3])
        until(lambda: len(delivered(tmp_path / "out")) == 200)
    assert statuses == [0] * 200
    assert again == [0] * 3
    assert len(reader.read) == len(set(reader.read)) == 200


def test_a_full_spool_says_so_and_takes_films_again_later(tmp_path, monkeypatch):
    with running(tmp_path / "spool", Folder(tmp_path / "out")) as port:
        monkeypatch.setattr(spool_module.shutil, "disk_usage", lambda _: Usage(1, 1, 0))
        assert send(port, [film()]) == [0xA700]
        monkeypatch.undo()
        assert send(port, [film()]) == [0]


def test_a_film_beyond_all_sizes_is_broken_off(tmp_path, monkeypatch):
    monkeypatch.setattr(receive, "MAX_BYTES", -999_000)
    with running(tmp_path / "spool", Folder(tmp_path / "out")) as port:
        with pytest.raises((RuntimeError, AttributeError)):  # no status comes back
            send(port, [film()] * 5)
        assert not [*(tmp_path / "spool" / "waiting").iterdir()]


def handles() -> int:
    """Open files of this process, where the system tells."""
    listed = Path("/proc/self/fd")
    return len([*listed.iterdir()]) if listed.is_dir() else 0


@pytest.mark.slow
def test_a_socket_that_is_opened_and_closed_two_hundred_times_leaves_nothing(tmp_path):
    with running(tmp_path / "spool", Folder(tmp_path / "out")) as port:
        handles_before, threads_before = handles(), threading.active_count()
        for _ in range(200):
            socket.create_connection(("127.0.0.1", port)).close()
        until(lambda: threading.active_count() <= threads_before, 30)  # under the timeout of the node
        until(lambda: handles() <= handles_before)
        assert send(port, [film()]) == [0]


# What is read


def test_a_film_that_cannot_be_read_is_kept_with_the_reason_and_no_name_is_logged(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "boneage")
    with running(tmp_path / "spool", Folder(tmp_path / "out")) as port:
        assert send(port, [film(0), film()]) == [0, 0]
        (why,) = until(lambda: [*(tmp_path / "spool" / "failed").glob("*.txt")])
        until(lambda: len([*(tmp_path / "out").glob("*.dcm")]) == 3)
    assert "PatientSex is SECRET" in why.read_text()
    assert why.with_suffix(".dcm").is_file()
    assert "PatientSex is SECRET" not in caplog.text
    assert "failed, no result, kept in failed/" in caplog.text
    assert "SECRET" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("boneage")
    )
    assert not [record for record in caplog.records if record.name.startswith("pynetdicom")]


def test_a_result_that_is_sent_back_to_the_node_goes_round_no_more(tmp_path):
    reader, result = Stub(), film(1, ManufacturerModelName="boneage")
    with running(tmp_path / "spool", Folder(tmp_path / "out"), reader) as port:
        assert send(port, [result]) == [0]
        until(lambda: [*(tmp_path / "spool" / "done").iterdir()])
        assert send(port, [film(2)]) == [0]
        until(lambda: len([*(tmp_path / "out").glob("*.dcm")]) == 3)
    assert len(reader.read) == 1
    assert not [*(tmp_path / "spool" / "waiting").iterdir()]


def test_results_that_cannot_be_written_are_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "RETRY", 0.01)
    fails = iter([OSError(28, "No space left on device"), MemoryError()])

    def as_dicom(examination, _):
        for error in fails:
            raise error
        return Path(examination.reading.file).read_bytes()

    monkeypatch.setattr(read, "as_dicom", as_dicom)
    with running(tmp_path / "spool", Folder(tmp_path / "out")) as port:
        send(port, [film()])
        until(lambda: len([*(tmp_path / "out").glob("*.dcm")]) == 3)


# Out


def archive(port: int, status: int = 0) -> tuple[list[str], Any]:
    """Another node: what it was sent, and its server."""
    got: list[str] = []
    entity = AE(ae_title="ARCHIVE")
    entity.add_supported_context(ComputedRadiographyImageStorage)

    def store(event):
        got.append(str(event.request.AffectedSOPInstanceUID))
        return status

    return got, entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_results_wait_while_the_archive_is_away_and_after_a_stop(tmp_path):
    at, sent = free_port(), [film(1), film(2)]
    where = CStore(Peer("ARCHIVE", "127.0.0.1", at), "BONEAGE", 5)
    with running(tmp_path / "spool", where, kinds=("sr",)) as port:
        assert send(port, sent) == [0, 0]
        until(lambda: len([*(tmp_path / "spool" / "results").glob("*/*")]) == 2)
    got, server = archive(at)
    reader = Stub()
    with running(tmp_path / "spool", where, reader):
        until(lambda: len([*(tmp_path / "spool" / "done").iterdir()]) == 2)
    server.shutdown()
    assert sorted(got) == sorted(one.SOPInstanceUID for one in sent)
    assert reader.read == []


@pytest.mark.parametrize("known", [True, False])
def test_a_compressed_picture_is_sent_as_the_archive_can_take_it(tmp_path, monkeypatch, known):
    monkeypatch.undo()
    picture = dataset(np.tile(np.arange(64), (64, 1)), 8, StudyInstanceUID="2.25.1", SeriesInstanceUID="2.25.2")
    picture.SOPClassUID = picture.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    picture.compress(JPEGLSLossless, generate_instance_uid=False)
    picture.save_as(tmp_path / "sc.dcm", enforce_file_format=True)
    got, entity = [], AE(ae_title="ARCHIVE")
    entity.add_supported_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    if known:
        entity.add_supported_context(SecondaryCaptureImageStorage, JPEGLSLossless)

    def store(event) -> int:
        event.dataset.file_meta = event.file_meta
        got.append((event.context.transfer_syntax, event.dataset.pixel_array, event.dataset.SOPInstanceUID))
        return 0

    at = free_port()
    server = entity.start_server(("127.0.0.1", at), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    sent = [*CStore(Peer("ARCHIVE", "127.0.0.1", at), "BONEAGE", 5).send("key", [tmp_path / "sc.dcm"])]
    assert server is not None
    server.shutdown()
    assert sent == [(tmp_path / "sc.dcm", "")]
    ((syntax, pixels, uid),) = got
    assert syntax == (JPEGLSLossless if known else ExplicitVRLittleEndian)
    np.testing.assert_array_equal(pixels, picture.pixel_array)
    assert uid == picture.SOPInstanceUID


def test_what_an_archive_refuses_is_kept_and_does_not_hold_up_the_rest(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    at = free_port()
    got, server = archive(at, 0xC000)
    with running(tmp_path / "spool", CStore(Peer("ARCHIVE", "127.0.0.1", at), "BONEAGE", 5), kinds=("sr",)) as port:
        send(port, [film(1), film(2)])
        until(lambda: len(set(got)) == 2 and len(got) > 4)
    server.shutdown()
    assert len([*(tmp_path / "spool" / "results").glob("*/sr.dcm")]) == 2
    assert caplog.text.count("sr is refused by ARCHIVE@127.0.0.1") == 2  # told once each


class Dicomweb(BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, bytes]]] = []
    heard: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.path, self.headers["Authorization"] or "", body))
        status, said = self.answers.pop(0) if self.answers else (200, b"{}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *_: Any) -> None:
        pass


def test_stow_sends_each_object_until_it_is_taken(tmp_path):
    Dicomweb.heard = []
    Dicomweb.answers = [(503, b""), (200, b'{"00081198": {"vr": "SQ", "Value": [{}]}}'), (409, b"")]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dicomweb)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = Stow(f"http://127.0.0.1:{server.server_port}/dicom-web/", "Bearer secret", 5)
    with running(tmp_path / "spool", where, kinds=("sr",)) as port:
        send(port, [film()])
        until(lambda: [*(tmp_path / "spool" / "done").iterdir()])
    server.shutdown()
    server.server_close()
    assert len(Dicomweb.heard) == 4
    assert {(path, said) for path, said, _ in Dicomweb.heard} == {("/dicom-web/studies", "Bearer secret")}
    assert b"\x00DICM" in Dicomweb.heard[-1][2]
    with pytest.raises(Away, match="does not answer"):
        list(where.send("key", [*(tmp_path / "spool" / "done").iterdir()]))


# The command


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "results go to one place"),
        (["--out", "o", "--send-to", "A@h:1"], "results go to one place"),
        (["--out", "o", "--host", "0.0.0.0"], "can be reached from elsewhere; say who may send"),
        (["--send-to", "A@h"], "expected AET@HOST:PORT"),
        (["--out", "o", "--allow", "A"], "expected CALLING@NET"),
        (["--out", "o", "--aet", "SEVENTEEN-LETTERS"], "is no AE title"),
        (["--stow", "ftp://h"], "is no DICOMweb service"),
        (["--stow", "http://name:word@h"], "is no DICOMweb service"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(options, words):
    done = CliRunner().invoke(main, ["node", *options])
    assert done.exit_code == 2
    assert words in done.stderr.replace("\n", " ")


def test_the_command_reads_the_hand_that_is_asked_for(tmp_path, monkeypatch):
    loaded, folders = [], ["--spool", str(tmp_path / "spool"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("boneage.pipeline.predict.bone_age.BoneAge.load", lambda *given: loaded.append(given) or Stub())
    with socket.socket() as taken:  # so that the node ends once it is loaded
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["node", "--port", port, "--hand", "right", *folders])
    assert "cannot be listened at" in done.stderr
    assert loaded == [("default", "auto", "auto", "right")]


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spool = Spool(tmp_path)
        with pytest.raises(OutputError, match=r"cannot be listened at \(Address already in use\)"):
            receive.listen(spool, "BONEAGE", "127.0.0.1", taken.getsockname()[1])
        spool.close()
