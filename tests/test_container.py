"""The container's files, as far as they can be tried without building: their commands, and the same start inside walls.

The walls are those of the container: another user without rights, a tree that cannot be written, no network but the
loopback, and /tmp alone to write to.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from boneage.pipeline.cli import main

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "boneage"}


def test_the_image_has_no_rights_and_is_asked_how_it_is():
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert "\nUSER 10001:10001\n" in last
    assert "\nHEALTHCHECK " in last
    assert '\nENTRYPOINT ["boneage"]\n' in last


def test_the_terms_of_the_weights_travel_in_it():
    (terms,) = re.findall(r"^COPY (.*) /licenses/$", DOCKERFILE, re.MULTILINE)
    assert all((ROOT / name).is_file() for name in terms.split())
    assert "weights/LicenseRef-RSNA.txt" in terms
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {name.split("/")[0] for name in terms.split()} & set(ignored)


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_the_composition_is_locked_in_and_its_command_is_understood(name):
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    command, *words = service["command"]
    found = main.get_command(None, command)  # pyright: ignore[reportArgumentType]
    assert found
    found.make_context(command, words)


def test_what_a_person_opens_is_published_at_this_machine_alone():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert COMPOSE["networks"]["inside"]["internal"]


# Runs inside the walls: starts both as the container does, and has one film read by each.
INSIDE = """
import json, os, pathlib, subprocess, sys, time, urllib.request
import numpy as np
from PIL import Image
from pynetdicom import AE
sys.path.insert(0, "tests")
from dicom_files import dataset

hand = "data/example/synthetic-hand.png"
assert os.getuid() == 10001
for place in (".", "weights", "pipeline"):
    assert not os.access(place, os.W_OK), place
tags = {"PatientSex": "F", "StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2"}
film = dataset(np.asarray(Image.open(hand).convert("L")).astype(np.int64), 8, **tags)
token = pathlib.Path("/tmp/token")
token.write_text("a-secret-of-more-than-thirty-two-letters\\n")
program = [sys.executable, "-m", "boneage"]
serve = [*program, "serve", "--host", "0.0.0.0", "--token-file", token, "--weights", "fast"]
node = [*program, "node", "--host", "0.0.0.0", "--allow", "*@127.0.0.1", "--out", "/tmp/out", "--spool", "/tmp/spool"]

def until(true):
    end = time.monotonic() + 120
    while True:
        try:
            if found := true():
                return found
        except OSError:
            pass
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.1)

def asked(path, content=None):
    request = urllib.request.Request(f"http://127.0.0.1:8080{path}", content)
    request.add_header("Authorization", f"Bearer {token.read_text().strip()}")
    request.add_header("Content-Type", "image/png")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.status, answer.read()

def send():
    entity = AE("TEST")
    entity.add_requested_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", 11112, ae_title="BONEAGE")
    if not association.is_established:
        return False
    status = association.send_c_store(film).Status
    association.release()
    return status == 0

for command in (serve, [*node, "--weights", "fast"]):
    running = subprocess.Popen(command)
    try:
        if command is serve:
            until(lambda: asked("/readyz")[0] == 200)
            status, said = asked("/v1/readings?sex=F", open(hand, "rb").read())
            assert json.loads(said)["status"] == "ok", said
        else:
            until(send)
            until(lambda: len([*pathlib.Path("/tmp/out").glob("*.dcm")]) == 3)
    finally:
        running.terminate()
        running.wait(60)
print("read by both")
"""
WALLS = """
set -e
ip link set lo up
mount --bind . .
mount -o remount,ro,bind .
mount -t tmpfs -o mode=1777 tmpfs /tmp
case "$PYTHON" in /root/*)  # whose folder is closed to others
  mkdir /tmp/python
  mount --bind "$PYTHON" /tmp/python
  mount -t tmpfs -o mode=755 tmpfs /root
  mkdir -p "$PYTHON"
  mount --bind /tmp/python "$PYTHON"
  umount /tmp/python
esac
cd "$PWD"
exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@pytest.mark.slow
def test_the_same_start_works_as_another_user_without_network_on_a_tree_that_cannot_be_written():
    needed = ("unshare", "setpriv", "ip", "mount")
    if not hasattr(os, "getuid") or os.getuid() != 0 or not all(map(shutil.which, needed)):
        pytest.skip(f"the walls of a container need root and {', '.join(needed)}")
    if ROOT.is_relative_to("/tmp") or Path(sys.prefix).is_relative_to("/tmp"):
        pytest.skip("the project lies in /tmp, which is emptied within the walls")
    walls = ["unshare", "--mount", "--net", "sh", "-c", WALLS, "sh"]
    (stated,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    variables = dict(word.split("=", 1) for word in shlex.split(stated.replace("\\\n", " ")) if "PATH" not in word)
    environment = {**os.environ, **variables, "BONEAGE_ENGINE": "onnx", "PYTHON": sys.base_prefix}
    for command, lacks in (
        (["true"], "this system lets nobody put up such walls"),
        (["sh", "-c", '"$0" -c "import boneage"', sys.executable], "another user cannot read this installation"),
    ):
        if subprocess.run([*walls, *command], cwd=ROOT, env=environment, capture_output=True).returncode:
            pytest.skip(lacks)
    done = subprocess.run(
        [*walls, sys.executable, "-c", INSIDE], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "read by both" in done.stdout
