"""The service as its operator needs it: admission, a bounded queue, deadlines, results kept, a quiet log."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from starlette.testclient import TestClient

from boneage import BoneAge
from boneage.data.errors import ConfigError, OutputError
from boneage.pipeline.cli import main
from boneage.pipeline.predict.parallel import share_of_container
from boneage.pipeline.reading import Reading
from boneage.pipeline.serve.answers import ReadingAnswer
from boneage.pipeline.serve.app import application
from boneage.pipeline.serve.kept import Kept
from boneage.pipeline.serve.pool import Full, Pool
from boneage.pipeline.serve.run import description, no_quotes
from boneage.pipeline.serve.service import Service
from boneage.pipeline.serve.settings import Settings, parse_bytes, read_token

READINGS = "/v1/readings"
PNG = {"Content-Type": "image/png"}
TOKEN = "0123456789abcdef"
HOME = "http://127.0.0.1:8080"
SECRET = "SECRET^NAME"


def kind_of(answer) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["type"].rpartition(":")[2]


def read(client, hand, **options):
    return client.post(f"{READINGS}?sex=F", content=hand, headers=PNG, **options)


def in_thread(call):
    """Call in a thread; what is returned is joined for its result."""
    results: list = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()

    def result():
        thread.join(60)
        return results[0]

    return result


def until(true):
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_service_is_ready_after_its_first_reading(reader, hand):
    go = threading.Event()

    def load():
        go.wait(60)
        return reader

    service = Service(Settings(), load)
    client = TestClient(application(service), base_url=HOME)
    service.begin()
    assert client.get("/healthz").json() == {"status": "ok"}
    for answer in (client.get("/readyz"), read(client, hand)):
        assert kind_of(answer) == "not-ready"
        assert int(answer.headers["retry-after"]) >= 1
    assert client.get("/version").json()["model"] is None
    go.set()
    until(lambda: service.ready)
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/version").json()["model"] == "fast"
    assert f'sha256="{reader.digest}"' in client.get("/metrics").text


def test_a_model_that_cannot_be_used_ends_the_service():
    failed = threading.Event()

    def load() -> BoneAge:
        raise OSError("no such weights")

    service = Service(Settings(), load)
    service.begin(failed.set)
    assert failed.wait(10)
    assert service.failure == "no such weights"


def test_a_full_queue_is_told_at_once_and_recovers(serving, gate, hand):
    client = serving(gate, workers=1, queue=1)
    first, second = in_thread(lambda: read(client, hand)), in_thread(lambda: read(client, hand))
    service = client.app._metrics
    until(lambda: gate.films == 1 and "boneage_queue_depth 1.0" in service.text().decode())
    refused = read(client, hand)
    assert (refused.status_code, kind_of(refused)) == (429, "queue-full")
    assert int(refused.headers["retry-after"]) >= 1
    gate.go.set()
    assert [first().status_code, second().status_code] == [200, 200]
    assert read(client, hand).status_code == 200


def test_a_reading_has_a_deadline(serving, gate, hand):
    client = serving(gate, deadline=0.2)
    answer = read(client, hand)
    assert (answer.status_code, kind_of(answer)) == (503, "deadline")
    gate.go.set()


def asgi(app, body: bytes, leaves: asyncio.Event) -> asyncio.Task:
    """A request whose client goes away when `leaves` is set."""
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        message = next(sent, None)
        if message is None:
            await leaves.wait()
        return message or {"type": "http.disconnect"}

    async def send(_):
        pass  # nobody is there

    scope = {
        **{"type": "http", "method": "POST", "path": READINGS, "raw_path": READINGS.encode(), "query_string": b"sex=F"},
        **{"headers": [(b"host", b"127.0.0.1"), (b"content-type", b"image/png")], "root_path": "", "scheme": "http"},
        **{"http_version": "1.1", "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 1)},
    }
    return asyncio.ensure_future(app(scope, receive, send))


def test_a_client_that_goes_takes_its_film_out_of_the_queue(serving, gate, hand, caplog):
    app = serving(gate, workers=1, queue=1).app

    async def go_away():
        leaves = asyncio.Event()
        tasks = [asgi(app, hand, leaves)]
        await asyncio.to_thread(gate.began.wait, 60)
        tasks.append(asgi(app, hand, leaves))
        while b"boneage_queue_depth 1.0" not in app._metrics.text():
            await asyncio.sleep(0.01)
        leaves.set()
        await asyncio.gather(*tasks)

    with caplog.at_level(logging.INFO, "boneage.serve"):
        asyncio.run(go_away())
    assert b"boneage_queue_depth 0.0" in app._metrics.text()
    assert caplog.text.count(" 499 ") == 2
    gate.go.set()
    assert gate.films == 1


def test_a_token_is_asked_for_where_something_is_told(serving, hand):
    client = serving(token=TOKEN)
    refused = read(client, hand)
    assert (refused.status_code, kind_of(refused)) == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ", "Bearer ü"):
        headers = {"Authorization": wrong.encode()}
        assert client.get("/metrics", headers=headers).status_code == 401
        assert client.get("/v1/readings/x", headers=headers).status_code == 401
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    client.headers["Host"] = "bone.example"  # a token is proof enough
    assert read(client, hand).status_code == 200
    del client.headers["Authorization"]
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::2]:8080"])
def test_without_a_token_the_service_has_its_own_names_alone(client, host):
    answer = client.get("/healthz", headers={"Host": host})
    assert (answer.status_code, kind_of(answer)) == (421, "host")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:9", "[::1]:8080", "bone.example"])
def test_its_own_names_are_those_of_the_machine_and_those_given(serving, host):
    assert serving(hosts=("bone.example",)).get("/healthz", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_cannot_send_films(client, hand):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999", "http://["):
        answer = client.post(f"{READINGS}?sex=F", content=hand, headers=PNG | {"Origin": origin})
        assert (answer.status_code, kind_of(answer)) == (403, "origin")
    assert client.post(f"{READINGS}?sex=F", content=hand, headers=PNG | {"Origin": HOME}).status_code == 200


def test_every_answer_has_strict_headers(client, hand):
    for answer in (
        client.get("/healthz"),
        client.get("/nothing"),
        read(client, hand),
        client.get("/", headers={"Host": "x"}),
    ):
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_results_of_a_dicom(client, dicom):
    reading = client.post(READINGS, content=dicom, headers={"Content-Type": "application/dicom"}).json()
    assert len(reading["id"]) >= 22  # 128 bits
    assert client.get(f"{READINGS}/{reading['id']}").json() == reading
    starts = {
        **{"film.png": b"\x89PNG", "overlay.png": b"\x89PNG", "heatmap.png": b"\x89PNG", "report.pdf": b"%PDF"},
        **{"report.html": b"<!DOC", "sr.dcm": b"", "sc.dcm": b"", "seg.dcm": b"", "fhir.json": b"{"},
    }
    assert set(reading["results"]) == set(starts)
    for name, start in starts.items():
        answer = client.get(reading["results"][name], params={"size": 300, "heatmap": False, "language": "ko"})
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(start)
        assert answer.content[128:132] == b"DICM" or start
        assert (SECRET.encode() in answer.content) == name.endswith(".dcm")  # they belong to the patient's study
    assert kind_of(client.get(reading["results"]["report.pdf"], params={"language": "fr"})) == "request"
    assert client.delete(f"{READINGS}/{reading['id']}").status_code == 204
    assert kind_of(client.get(reading["results"]["film.png"])) == "not-found"


def test_a_result_that_a_film_does_not_have_is_a_problem_with_the_reason(client, hand, no_hand):
    picture = read(client, hand).json()["id"]
    nothing = client.post(f"{READINGS}?sex=F", content=no_hand, headers=PNG).json()["id"]
    for path, words in ((f"{picture}/sr.dcm", "is not a DICOM"), (f"{nothing}/heatmap.png", "has no bone age")):
        answer = client.get(f"{READINGS}/{path}")
        assert kind_of(answer) == "no-such-result"
        assert words in answer.json()["detail"]


def test_results_are_kept_for_a_while_and_to_a_limit():
    now = [0.0]
    kept: Kept[str] = Kept(10, 100, lambda: now[0])
    first = kept.add("first", 60)
    second = kept.add("second", 60)
    assert (kept.get(first), kept.get(second)) == (None, "second")
    alone = kept.add("larger than all", 1000)
    assert (kept.get(second), kept.get(alone)) == (None, "larger than all")
    now[0] = 10.5
    kept.forget()
    assert len(kept) == 0


def test_a_pool_refuses_whom_it_has_no_place_for_and_stops():
    pool = Pool(1, 0)
    with pool.place(), pytest.raises(Full):
        pool.place()
    go = threading.Event()
    future = pool.place().put(lambda: go.wait(10))
    with pytest.raises(Full):
        pool.place()
    go.set()
    assert future.result(10)
    until(lambda: pool._taken == 0)
    with pytest.raises(ZeroDivisionError):
        pool.place().put(lambda: 1 / 0).result(10)
    pool.stop()
    assert pool.put(lambda: 1).cancelled()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "0.0.0.0"}, "--token-file FILE, or --no-auth"),
        ({"spool": Path("/nowhere")}, "is no folder"),
        ({"prefix": "boneage"}, "a path such as /boneage"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        Settings(**settings)


def test_a_spool_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="may not be written"):
        Settings(spool=tmp_path)


def test_a_port_that_is_taken_is_named():
    from boneage.pipeline.serve.run import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(port=taken.getsockname()[1])
        with pytest.raises(OutputError, match=r"cannot be listened at \(Address already in use\)"):
            serve(settings, lambda: pytest.fail("loaded"), print)


def test_tokens_and_sizes_are_checked(tmp_path):
    file = tmp_path / "token"
    for text in ("", "short", "two words 0123456789", "ü" * 20):
        file.write_text(text, "utf-8")
        with pytest.raises(ConfigError, match="openssl rand"):
            read_token(file)
    file.write_text(f"{TOKEN}\nmore\n")
    assert read_token(file) == TOKEN
    with pytest.raises(ConfigError, match="no token can be read"):
        read_token(tmp_path / "none")
    assert [parse_bytes(text, "-") for text in ("64MiB", "1 kB", "7")] == [64 * 2**20, 1000, 7]
    for text in ("", "0", "-1", "5 parsecs"):
        with pytest.raises(ConfigError, match="--max-upload"):
            parse_bytes(text, "--max-upload")


@pytest.mark.parametrize(("limit", "share"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", float("inf"))])
def test_the_share_of_a_container_counts(tmp_path, limit, share):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text(limit)
    (tmp_path / "own").write_text("0::/a/b\n")
    assert share_of_container(tmp_path, tmp_path / "own") == share
    assert share_of_container(tmp_path, tmp_path / "none") == float("inf")


def test_the_committed_description_is_that_of_the_code(reader):
    committed = ROOT / "docs" / "reference" / "openapi.json"
    made = description(lambda: reader)
    assert committed.read_text("utf-8") == made + "\n", (
        "write it again: boneage serve --openapi > docs/reference/openapi.json"
    )
    paths = json.loads(made)["paths"]
    assert {"/v1/readings", "/v1/jobs", "/dicomweb/studies", "/healthz", "/readyz", "/version", "/metrics"} <= set(
        paths
    )


def test_an_answer_has_every_field_of_a_reading():
    assert set(ReadingAnswer.model_fields) - {"id", "results"} == set(Reading("film", "ok").to_dict())


def test_an_error_of_the_program_is_a_problem_and_tells_nothing(serving, hand, caplog):
    class Broken:
        def examine(self, *_, **__):
            raise ZeroDivisionError(SECRET)

    answer = read(serving(Broken()), hand)
    assert (answer.status_code, kind_of(answer)) == (500, "internal")
    assert SECRET not in answer.text + caplog.text
    assert "ZeroDivisionError at test_service.py" in caplog.text


def test_no_name_comes_into_a_log_by_any_route(client, hand, dicom, caplog, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", True)  # the client, which is in this process
    no_quotes()
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "boneage"):  # other tests may have set either
        for content in (hand, dicom, dicom[:300], dicom[:-5000], SECRET.encode()):
            client.post(READINGS, files={"film": (f"{SECRET}.dcm", content)}, data={"sex": "F"})
            client.post(READINGS, files={SECRET: (SECRET, content)}, data={SECRET: SECRET})
            client.post(f"{READINGS}?sex={SECRET}&age={SECRET}&{SECRET}=1", content=content, headers=PNG)
            client.post(READINGS, content=content, headers={"Content-Type": SECRET, "Accept-Language": SECRET})
            client.post("/v1/jobs", files={"film": (SECRET, content)}, data={"sex": "F"})
            parts = b"--x\r\n\r\n" + content + b"\r\n--x--"
            kind = 'multipart/related; type="application/dicom"; boundary=x'
            client.post(f"/dicomweb/studies/{SECRET}", content=parts, headers={"Content-Type": kind})
            client.post("/dicomweb/studies", content=parts, headers={"Content-Type": kind})
        reading = client.post(READINGS, files={"film": dicom}).json()
        client.get(f"/page/card/{reading['id']}")
        client.get("/page/card/" + SECRET, params={"language": SECRET})
        client.get(f"/v1/jobs/{SECRET}")
        for path in reading["results"].values():
            client.get(path, params={"heatmap": False})
        client.request(SECRET.replace("^", ""), f"/{SECRET}", params={"q": SECRET})
        client.get(f"{READINGS}/{SECRET}/{SECRET}", headers={"Authorization": SECRET, "User-Agent": SECRET})
        client.get("/healthz", headers={"Host": SECRET})
    told = caplog.text + "".join(capfd.readouterr()) + client.get("/metrics").text
    assert re.search(r"POST /v1/readings 200 ok film [0-9a-f]{12} \d+ ms", told)
    assert 'boneage_readings_total{route="rest",status="ok"}' in told
    assert "SECRET" not in told
    assert reading["id"] not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], "there is no token; give --token-file FILE"),
        (["--weights", "nowhere"], "nowhere"),
        (["--max-upload", "much"], "expected a size such as 64MiB"),
    ],
)
def test_a_wrong_command_is_told_in_a_line(words, told):
    done = CliRunner().invoke(main, ["serve", *words])
    assert done.exit_code == 2
    assert told in done.output
    assert len(done.output.splitlines()) == 1
