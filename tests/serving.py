"""What tests of the service need: a service in the test's own process, with the smaller of the shipped bundles."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from dicom_files import dataset
from PIL import Image

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from boneage import BoneAge

EXAMPLE = Path(__file__).parents[1] / "data" / "example" / "synthetic-hand.png"

HOME = "http://127.0.0.1:8080"
SECRET = "SECRET^NAME"


@pytest.fixture(scope="session")
def reader() -> BoneAge:
    from boneage import BoneAge

    return BoneAge.load("fast", engine="onnx")


@pytest.fixture(scope="session")
def hand() -> bytes:
    """The drawn example hand."""
    return EXAMPLE.read_bytes()


@pytest.fixture(scope="session")
def years_and_months(reader, hand) -> tuple[int, int]:
    """The bone age of the example hand in years and months, read without the service."""
    months = reader.predict(hand, sex="F").bone_age_months
    assert months is not None
    years, left = divmod(round(months), 12)
    return years, left


@pytest.fixture(scope="session")
def dicom(hand) -> bytes:
    """The same as a DICOM of a girl with a name."""
    greys = cv2.imdecode(np.frombuffer(hand, np.uint8), cv2.IMREAD_GRAYSCALE)
    tags = {"PatientSex": "F", "StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2", "PatientName": SECRET}
    buffer = io.BytesIO()
    dataset(np.asarray(greys), 8, **tags).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def no_hand() -> bytes:
    """A picture of something else."""
    greys = np.full((400, 320), 30, np.uint8)
    greys[150:250, 100:220] = 200
    buffer = io.BytesIO()
    Image.fromarray(greys).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def serving(reader) -> Iterator[Callable[..., TestClient]]:
    """Start a service with some settings; by `read`, whatever reads its films."""
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from starlette.testclient import TestClient

    from boneage.pipeline.serve.app import application
    from boneage.pipeline.serve.service import Service
    from boneage.pipeline.serve.settings import Settings

    services = []

    def start(read: Any = None, **settings: Any) -> TestClient:
        service = Service(Settings(**settings), lambda: read or reader)
        service._bone_age = read or reader  # warmed up
        services.append(service)
        return TestClient(application(service), base_url=HOME, raise_server_exceptions=False)

    yield start
    for service in services:
        service.stop()


@pytest.fixture
def client(serving) -> TestClient:
    return serving()


class Gate:
    """A reader that waits in each film until it is let go."""

    model, digest = "fast", None

    def __init__(self, reader: BoneAge) -> None:
        self.reader, self.go, self.began, self.films = reader, Event(), Event(), 0

    def examine(self, *args: Any, **options: Any) -> Any:
        self.films += 1
        self.began.set()
        assert self.go.wait(60)
        return self.reader.examine(*args, **options)


@pytest.fixture
def gate(reader) -> Iterator[Gate]:
    made = Gate(reader)
    yield made
    made.go.set()
