"""Beside a real archive: a film that Orthanc stores is routed to the node, and its report comes back into the study."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dataset
from PIL import Image

pytest.importorskip("pynetdicom", reason="the extra serve is not installed")

from nodes import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
HAND = ROOT / "data" / "example" / "synthetic-hand.png"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ROUTE = ROOT / "deploy" / "route.lua"


def free_ports(number: int) -> list[int]:
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Orthanc:
    """An Orthanc on the loopback, which sends what it stores to a node at `node_port`."""

    def __init__(self, folder: Path, node_port: int) -> None:
        program = shutil.which("Orthanc", path=os.environ["PATH"] + ":/usr/sbin")
        if not program or not PLUGIN.exists():
            pytest.skip("Orthanc is not installed (Debian packages orthanc and orthanc-dicomweb)")
        folder.mkdir()
        self.node_port = node_port
        self.http, self.dicom = free_ports(2)
        settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http,
            "HttpBindAddresses": ["127.0.0.1"],
            "DicomPort": self.dicom,
            "AuthenticationEnabled": False,
            "DicomModalities": {"boneage": ["BONEAGE", "127.0.0.1", node_port]},
            "LuaScripts": [str(ROUTE)],
            "Plugins": [str(PLUGIN)],
            "DicomAlwaysAllowStore": True,
            "DicomAssociationCloseDelay": 0,  # or it sends into an association that a kill has ended, and gives up
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen([program, folder / "orthanc.json"], stdout=log, stderr=log)
        until(lambda: self.answers())

    def answers(self) -> bool:
        try:
            return bool(self.get("system"))
        except OSError:
            return False

    def get(self, path: str):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=20) as answer:
            return json.load(answer)

    def store(self, file: Path) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/instances", file.read_bytes())
        urllib.request.urlopen(request, timeout=20).close()

    def modalities(self) -> list[list[str]]:
        """The modalities of the series of each study."""
        studies = [self.get(f"studies/{study}/series") for study in self.get("studies")]
        return [sorted(series["MainDicomTags"]["Modality"] for series in study) for study in studies]


@pytest.fixture
def orthanc(tmp_path):
    (port,) = free_ports(1)
    archive = Orthanc(tmp_path / "orthanc", port)
    yield archive
    archive.process.terminate()
    archive.process.wait(30)


@pytest.fixture
def start(orthanc, tmp_path):
    """Start a node, as a process of its own, with options."""
    started = []

    def start(*options: str) -> subprocess.Popen:
        node = [sys.executable, "-m", "boneage", "node", "--weights", "fast", "--spool", str(tmp_path / "spool")]
        environment = {**os.environ, "BONEAGE_ENGINE": "onnx"}
        with (tmp_path / "node.log").open("a") as log:
            begun = log.tell()
            process = subprocess.Popen([*node, "--port", str(orthanc.node_port), *options], stderr=log, env=environment)
        started.append(process)
        until(lambda: "listens at" in (tmp_path / "node.log").read_text()[begun:])
        return process

    yield start
    for process in started:
        process.kill()


def film(path: Path, number: int) -> Path:
    """The drawn hand as a film of a study of its own."""
    greys = np.asarray(Image.open(HAND).convert("L")).astype(np.int64)
    greys[0, 0] = number
    uids = {"StudyInstanceUID": f"2.25.{number}", "SeriesInstanceUID": f"2.25.{number}.1"}
    child = {
        "PatientName": "SECRET^NAME",
        "PatientID": f"P{number}",
        "PatientSex": "F",
        "BodyPartExamined": "HAND",
    }
    dataset(greys, 8, **uids, **child).save_as(path, enforce_file_format=True)
    return path


def log_of(folder: Path) -> str:
    return (folder / "node.log").read_text()


def test_a_routed_film_gets_its_report_into_the_same_study_and_a_kill_loses_and_doubles_nothing(
    orthanc, start, tmp_path
):
    away = free_ports(1)[0]
    node = start("--send-to", f"ORTHANC@127.0.0.1:{away}", "--result", "sr")  # nobody is there
    orthanc.store(film(tmp_path / "1.dcm", 1))
    until(lambda: ": ok, sr," in log_of(tmp_path))
    assert [*(tmp_path / "spool" / "results").glob("*/sr.dcm")]
    os.kill(node.pid, signal.SIGKILL)
    node.wait()
    start("--send-to", f"ORTHANC@127.0.0.1:{orthanc.dicom}", "--result", "sr")
    until(lambda: orthanc.modalities() == [["CR", "SR"]])
    orthanc.store(film(tmp_path / "2.dcm", 2))
    until(lambda: sorted(orthanc.modalities()) == [["CR", "SR"]] * 2)
    assert log_of(tmp_path).count(": ok, sr,") == 2  # each was read once
    assert "SECRET" not in log_of(tmp_path)
    (report,) = [one for one in orthanc.get("series?expand") if one["MainDicomTags"]["Modality"] == "SR"][:1]
    assert report["MainDicomTags"]["Manufacturer"] == "boneage project"


def test_results_come_back_over_dicomweb_and_a_stop_ends_in_good_order(orthanc, start, tmp_path):
    node = start("--stow", f"http://127.0.0.1:{orthanc.http}/dicom-web")
    orthanc.store(film(tmp_path / "1.dcm", 1))
    until(lambda: orthanc.modalities() == [["CR", "OT", "SEG", "SR"]])
    (picture,) = [one for one in orthanc.get("series?expand") if one["MainDicomTags"]["Modality"] == "OT"]
    shown = f"http://127.0.0.1:{orthanc.http}/instances/{picture['Instances'][0]}/preview"
    with urllib.request.urlopen(shown, timeout=20) as answer:  # it decodes JPEG-LS without a plug-in
        assert answer.read().startswith(b"\x89PNG")
    node.terminate()
    assert node.wait(60) == 143
    until(lambda: [*(tmp_path / "spool" / "done").iterdir()])
