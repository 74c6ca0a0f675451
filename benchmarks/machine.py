"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

from boneage.pipeline.predict.parallel import cores

PACKAGES = ("boneage", "torch", "onnxruntime", "timm", "lightning", "numpy", "opencv-python-headless", "kornia-rs")


def facts() -> dict[str, str]:
    """Processor, cores, threads, memory and versions."""
    import torch

    found = {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": str(cores()),
        "threads of torch": str(torch.get_num_threads()),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return found | {name: version(name) for name in PACKAGES}


def load() -> float:
    """Processes that wanted a core over the last minute; 0 where the system does not report it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def peak_memory() -> float:
    """The most memory this process has held so far, in MB; on Linux VmHWM, since ru_maxrss starts at the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
