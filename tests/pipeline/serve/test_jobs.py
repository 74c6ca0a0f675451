"""Several films by HTTP: a job that is asked after, and a study that an archive sends."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile

import pytest

JOBS, STUDIES = "/v1/jobs", "/dicomweb/studies"
ZIP = {"Content-Type": "application/zip"}
SECRET = "SECRET^NAME"


def kind_of(answer) -> str:
    return answer.json()["type"].rpartition(":")[2]


def finished(client, started) -> dict:
    """The job's state once it has ended."""
    assert started.status_code == 202, started.text
    state = {}
    for _ in range(6000):
        state = client.get(started.headers["location"]).json()
        if state["state"] != "running":
            return state
        time.sleep(0.01)
    raise AssertionError(state)


def packed(**files: bytes) -> bytes:
    """An archive of some files, the same whenever it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def test_films_of_a_form_are_read_one_by_one(client, hand, no_hand):
    names = (f"{SECRET}.png", "none.png", "broken.png", "letter.txt")
    films = zip(names, (hand, no_hand, hand[:5000], b"Dear parents"), strict=True)
    started = client.post(JOBS, files=[("film", film) for film in films], data={"sex": "F"})
    job = finished(client, started)
    assert (job["state"], job["films"], job["done"]) == ("done", 4, 4)
    assert job["sent"] == [*names]
    assert [reading["status"] for reading in job["readings"]][:2] == ["ok", "rejected"]
    assert [reading["file"] for reading in job["readings"]] == ["film 1", "film 2", "film 3"]
    assert job["left_out"] == {"neither a picture nor DICOM": 1}
    assert client.get(job["readings"][0]["results"]["overlay.png"]).status_code == 200
    assert client.delete(started.headers["location"]).status_code == 204
    assert client.get(started.headers["location"]).status_code == 404
    assert client.get(job["readings"][0]["results"]["overlay.png"]).status_code == 404


def test_a_packed_study_is_read(client, dicom, hand):
    study = packed(
        **{"a/IM1": dicom, "a/IM2": dicom[:200], "__MACOSX/x": b"", ".DS_Store": b"x", "b/": b"", "b/hand.png": hand}
    )
    job = finished(client, client.post(JOBS, content=study, headers=ZIP))
    assert job["sent"] == ["a/IM1", "a/IM2", "b/hand.png"]
    assert [reading["status"] for reading in job["readings"]] == ["ok", "failed", "failed"]
    assert "sex of the child is not known" in job["readings"][2]["reasons"][0]
    assert (job["readings"][1]["id"], job["readings"][1]["results"]) == (None, {})


def test_a_job_that_is_deleted_reads_no_further_film(serving, gate, hand):
    client = serving(gate, queue=0)
    started = client.post(JOBS, files=[("film", hand)] * 3, data={"sex": "F"})
    assert gate.began.wait(60)
    busy = client.post(JOBS, files=[("film", hand)], data={"sex": "F"})
    assert (busy.status_code, kind_of(busy)) == (429, "queue-full")
    assert client.delete(started.headers["location"]).status_code == 204
    gate.go.set()
    for _ in range(1000):
        if client.post(f"{JOBS}?sex=F", content=b"x", headers=ZIP).status_code != 429:
            break
        time.sleep(0.01)
    assert gate.films == 1


def test_a_job_has_a_deadline(serving, reader, hand):
    class Slow:
        digest = None

        def examine(self, *args, **options):
            time.sleep(0.5)
            return reader.examine(*args, **options)

    client = serving(Slow(), deadline=0.25)
    job = finished(client, client.post(JOBS, files=[("film", hand)] * 3, data={"sex": "F"}))
    assert (job["state"], job["done"] < 3) == ("expired", True)


def many(count: int) -> bytes:
    return packed(**{f"{number}.png": b"" for number in range(count)})


def lying(hand: bytes) -> bytes:
    """An archive whose list says that a file has 4 gigabytes."""
    content = bytearray(packed(**{"hand.png": hand}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (packed(a=b"x")[:-30], "damaged"),
        (packed(a=b"x")[:-10] + b"\xff" * 10, "damaged"),
        (many(201), "201 files"),
        (packed(), "film"),
    ],
    ids=["no archive", "cut off", "overwritten", "too many files", "empty"],
)
def test_an_archive_that_cannot_be_used_is_a_problem(client, content, words):
    answer = client.post(f"{JOBS}?sex=F", content=content, headers=ZIP)
    if words == "film":  # an empty archive is no archive by its first bytes, and no film
        assert finished(client, answer)["left_out"]
    else:
        assert kind_of(answer) == "request"
        assert words in answer.json()["detail"]


def test_an_archive_that_lies_or_bursts_costs_its_film_alone(client, hand):
    job = finished(client, client.post(f"{JOBS}?sex=F", content=lying(hand), headers=ZIP))
    assert [reading["status"] for reading in job["readings"]] in (["ok"], ["failed"])  # no more is read than is there
    bomb = packed(**{"bomb.png": bytes(200_000_000), "hand.png": hand})
    job = finished(client, client.post(f"{JOBS}?sex=F", content=bomb, headers=ZIP))
    assert job["readings"][-1]["status"] == "ok"
    assert "over 180,000,000 bytes" in str(job["readings"][0]["reasons"]) or job["left_out"]


def related(*instances: bytes) -> dict:
    """A request of STOW-RS with these instances."""
    parts = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in instances)
    kind = 'multipart/related; type="application/dicom"; boundary=x'
    return {"content": parts + b"--x--\r\n", "headers": {"Content-Type": kind}}


def reasons(answer) -> list[int]:
    assert answer.headers["content-type"] == "application/dicom+json"
    return [item["00081197"]["Value"][0] for item in answer.json().get("00081198", {}).get("Value", [])]


def test_an_archive_sends_films(client, dicom):
    answer = client.post(STUDIES, **related(dicom))
    assert (answer.status_code, reasons(answer)) == (200, [])
    (item,) = answer.json()["00081199"]["Value"]
    from pydicom import dcmread

    assert item["00081155"]["Value"] == [str(dcmread(io.BytesIO(dicom)).SOPInstanceUID)]
    report = client.get(item["00081190"]["Value"][0])
    assert dcmread(io.BytesIO(report.content)).Modality == "SR"
    some = client.post(f"{STUDIES}/2.25.1", **related(dicom, b"no DICOM", dicom[:-9000], report.content))
    assert some.status_code == 202
    assert reasons(some)[0] == 0xC000
    assert reasons(some)[-1] == 0x0122
    none = client.post(f"{STUDIES}/2.25.9", **related(dicom))
    assert (none.status_code, reasons(none)) == (409, [0xA900])


def test_a_film_without_sex_is_not_read_and_the_reason_is_said(client, dicom):
    unknown = dicom.replace(b"\x10\x00\x40\x00CS\x02\x00F ", b"\x10\x00\x40\x00CS\x02\x00O ")
    answer = client.post(STUDIES, **related(unknown))
    assert (answer.status_code, reasons(answer)) == (409, [0x0110])
    assert "expected F or M" in json.dumps(answer.json()["00081198"]["Value"][0]["0040A160"])


def test_what_is_no_stow_is_a_problem(client, dicom):
    assert kind_of(client.post(STUDIES, files={"film": dicom})) == "media-type"
    assert kind_of(client.post(STUDIES, **related())) == "request"
