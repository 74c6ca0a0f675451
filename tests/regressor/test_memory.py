"""Freed memory is kept by the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FETCHED = """
import resource
import numpy as np
from boneage.regressor.training.memory import keep_freed_memory
{before}
def fill():
    np.ones(16 * 1024 * 1024, np.float32)
for _ in range(20):  # by then the process has grown to what it needs
    fill()
start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


def pages_fetched(before: str) -> int:
    script = FETCHED.format(before=before)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_the_pages_of_a_freed_block_are_used_again():
    assert pages_fetched("keep_freed_memory()") < pages_fetched("") / 10
