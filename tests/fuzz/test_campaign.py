"""A sample of the campaign of damaged films."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CAMPAIGN = Path(__file__).with_name("campaign.py")


@pytest.mark.skipif(sys.platform == "win32", reason="processes of limited memory need a POSIX system")
def test_damaged_films_end_in_a_radiograph_or_in_an_error_of_the_project():
    command = [sys.executable, str(CAMPAIGN), "--films", "500", "--predictions", "20", "--results", "20"]
    environment = {**os.environ, "BONEAGE_ENGINE": "onnx"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'read':" in done.stdout
    assert "'refused':" in done.stdout
