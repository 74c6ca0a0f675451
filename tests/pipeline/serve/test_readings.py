"""One film by HTTP: the answer is that of the library, and what is wrong is a problem with the command's sentence."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib

import pytest
from PIL import Image

from boneage.pipeline.serve.problems import KINDS, TYPE, wanted_language

READINGS = "/v1/readings"
PNG = {"Content-Type": "image/png"}


def problem(answer, kind: str) -> str:
    """The sentence of a problem, which is checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert (answer.status_code, content["type"]) == (KINDS[kind][0], TYPE + kind), content
    assert content["status"] == answer.status_code
    assert content["request_id"] == answer.headers["x-request-id"]
    return content["detail"]


def test_a_film_of_a_form_has_the_reading_of_the_library(client, reader, hand):
    form = {"sex": "F", "age": "9y2m", "height": "133cm"}
    answer = client.post(READINGS, files={"film": ("SECRET.png", hand)}, data=form)
    assert answer.status_code == 200
    from boneage.data.child import Child, parse_age

    child = Child(sex="F", age=parse_age("9y2m", "age"), height_cm=133.0)
    expected = reader.predict(hand, child=child).to_dict() | {"file": "film"}
    got = answer.json()
    assert got.pop("results")["report.pdf"] == f"{READINGS}/{got.pop('id')}/report.pdf"
    assert got == expected
    assert got["status"] == "ok"
    assert got["adult_height_cm"]


def test_all_that_is_known_of_a_child_goes_in_a_form_or_in_the_query(client, hand):
    form = {"sex": "M", "age": "6y3m", "height": "108,7cm", "weight": "17.4kg", "mother": "1.625m", "father": "175.5cm"}
    form |= {"side": "rechts", "name": "Child 17"}
    by_form = client.post(READINGS, files={"film": hand}, data=form).json()
    by_query = client.post(READINGS, params=form, content=hand, headers=PNG).json()
    for got in (by_form, by_query):
        assert (got["side"], got["mother_cm"], got["target_height_cm"]) == ("right", 162.5, 175.5)
        assert got["adult_height_rwt_cm"]
        assert "Child 17" not in str(got)
        report = client.get(got["results"]["report.html"], params={"heatmap": False}).text
        assert "Child 17" in report
        assert "right" in report


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("mother", "16.5cm", "mother: height is '16.5cm', expected 120 to 230 cm"),
        ("father", "5ft9", "father: height is '5ft9', expected centimetres"),
        ("height", "55", "height: height is '55', expected centimetres"),
        ("weight", "38lb", "weight: weight is '38lb', expected kilograms"),
        ("side", "both", "side: side is 'both', expected left|right"),
        ("name", "x" * 61, "name: the name has 61 characters"),
    ],
)
def test_a_field_that_cannot_be_is_named_with_what_was_expected(client, hand, field, text, words):
    answer = client.post(READINGS, files={"film": hand}, data={"sex": "F", field: text})
    assert problem(answer, "child").startswith(words)
    assert answer.json()["field"] == field


def test_a_film_is_a_body_itself_too(client, hand, dicom):
    by_query = client.post(READINGS, params={"sex": "female"}, content=hand, headers=PNG).json()
    by_itself = client.post(READINGS, content=dicom, headers={"Content-Type": "application/dicom"}).json()
    assert by_query["bone_age_months"] == pytest.approx(by_itself["bone_age_months"], abs=0.05)
    assert "sr.dcm" in by_itself["results"]
    assert "sr.dcm" not in by_query["results"]


def test_what_is_no_hand_is_an_answer_without_a_number(client, no_hand):
    answer = client.post(READINGS, files={"film": no_hand}, data={"sex": "M"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["bone_age_months"]) == ("rejected", None)
    assert answer.json()["reasons"]
    assert "heatmap.png" not in answer.json()["results"]


def test_sex_is_asked_for_in_the_language_of_the_request(client, hand, dicom):
    sentence = problem(client.post(READINGS, content=hand, headers=PNG), "sex")
    assert sentence == "film: the sex of the child is not known; give --sex F or --sex M"
    german = client.post(READINGS, content=hand, headers=PNG | {"Accept-Language": "de-AT,en;q=0.5"})
    assert "Geschlecht" in problem(german, "sex")
    assert german.headers["content-language"] == "de"
    assert "never guessed" in problem(client.post(f"{READINGS}?sex=x", content=hand, headers=PNG), "sex")
    contradiction = client.post(READINGS, files={"film": dicom}, data={"sex": "M"})
    assert "the DICOM says F" in problem(contradiction, "sex")


@pytest.mark.parametrize(
    ("accepted", "code"),
    [("", "en"), ("fr, ko;q=0.3, de;q=0.8", "de"), ("KO-kr", "ko"), ("x;q=9", "en"), ("fr, de;q=0", "en")],
)
def test_the_language_that_is_wanted_most(accepted, code):
    assert wanted_language(accepted) == code


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("sex=F&age=10", "child", "expected years and months"),
        ("sex=F&height=3m", "child", "expected 40 to 230 cm"),
        ("gender=F", "request", "'gender' is not known, expected film, sex, age, height"),
        ("sex=F&sex=M", "request", "given twice"),
    ],
)
def test_what_is_given_of_the_child_is_checked(client, hand, query, kind, words):
    assert words in problem(client.post(f"{READINGS}?{query}", content=hand, headers=PNG), kind)


def png(width: int, height: int) -> bytes:
    """A PNG that declares a size and has a few bytes of pixels."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1000)))]
    chunks = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in [*parts, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bomb() -> bytes:
    """A picture of 400 million white pixels in some kilobytes."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000), 1).save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda hand, dicom: b"",
        lambda hand, dicom: b"MZ" + bytes(500),
        lambda hand, dicom: hand[: len(hand) // 2],
        lambda hand, dicom: hand[:40],
        lambda hand, dicom: dicom[: len(dicom) // 2],
        lambda hand, dicom: dicom[:140],
        lambda hand, dicom: png(100_000, 100_000),
        lambda hand, dicom: png(2**31 - 1, 2**31 - 1),
        lambda hand, dicom: png(0, 10),
        lambda hand, dicom: b"II*\0" + b"\xff" * 60,
        lambda hand, dicom: b"\xff\xd8\xff\xc0" + b"\xff" * 60,
        lambda hand, dicom: bytes(128) + b"DICM" + b"\xff" * 60,
        lambda hand, dicom: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        lambda hand, dicom: bomb(),
    ],
    ids=[
        *(
            "empty",
            "program",
            "half-a-png",
            "a-png-header",
            "half-a-dicom",
            "a-dicom-header",
            "huge",
            "hugest",
            "no-width",
        ),
        *("tiff", "jpeg", "dicom", "svg", "bomb"),
    ],
)
def test_a_hostile_film_is_a_problem_that_says_what_to_do(client, hand, dicom, make):
    answer = client.post(f"{READINGS}?sex=F", content=make(hand, dicom), headers={"Content-Type": "application/dicom"})
    if answer.status_code != 200:
        assert problem(answer, "film").startswith("film: ")
    else:  # half of a picture may show as much, and is no hand
        assert answer.json()["status"] in ("rejected", "review")


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("text/plain", b"film", "media-type"),
        ("", b"film", "media-type"),
        ("application/json", b"{}", "media-type"),
        ("application/x-www-form-urlencoded", b"film=1", "media-type"),
        ("multipart/form-data", b"film", "request"),
        ("multipart/form-data; boundary=x", b"--x\r\n", "request"),
        ("multipart/form-data; boundary=x", b"nothing", "request"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", "request"),
        ("multipart/form-data; boundary=" + "x" * 500, b"--x--\r\n", "request"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="film"\r\n\r\nabc',
            "request",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="y"\r\n\r\n1\r\n--x--',
            "request",
        ),
        ("multipart/form-data; boundary=x", (b"--x\r\n\r\n\r\n" * 2000) + b"--x--", "request"),
    ],
)
def test_a_body_of_another_form_is_a_problem(client, kind, content, expected):
    assert problem(client.post(READINGS, content=content, headers={"Content-Type": kind}), expected)


def test_two_films_in_a_form_are_refused_and_a_packed_body_is_not_unpacked(client, hand):
    two = client.post(READINGS, files=[("film", hand), ("film", hand)], data={"sex": "F"})
    assert "/v1/jobs" in problem(two, "request")
    problem(client.post(READINGS, content=hand, headers=PNG | {"Content-Encoding": "gzip"}), "media-type")


def test_an_upload_over_the_limit_is_refused_whether_it_says_so_or_not(serving, hand):
    client = serving(max_upload=1000)
    assert "over 1,000 bytes" in problem(client.post(READINGS, content=hand, headers=PNG), "too-large")
    for size in (1001, 3000):
        pieces = (bytes(100) for _ in range(size // 100 + 1))
        assert problem(client.post(READINGS, content=pieces, headers=PNG), "too-large")


def test_paths_and_methods_that_are_not_there(client):
    assert problem(client.get("/../SECRET"), "not-found")
    assert problem(client.put(READINGS), "method")
    assert problem(client.get("/v1/readings/none"), "not-found")
    assert problem(client.get("/v1/readings/none/passwd"), "not-found")


def test_films_are_in_memory_alone(client, serving, hand, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("a temporary file")

    large = io.BytesIO()  # beyond what libraries keep in memory
    Image.open(io.BytesIO(hand)).resize((1600, 2000)).save(large, "BMP")
    for name in ("mkstemp", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    form = {"files": {"film": large.getvalue()}, "data": {"sex": "F"}}
    assert client.post(READINGS, **form).status_code == 200
    monkeypatch.undo()
    spooling = serving(spool=tmp_path)
    assert spooling.post(READINGS, **form).status_code == 200
    assert not [*tmp_path.iterdir()]
