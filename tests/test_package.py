"""What the project states about itself in several places is the same in all of them, and its terms are installed."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_one_version_in_metadata_citation_and_changelog():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    releases = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert PROJECT["version"] == citation["version"] == next(name for name in releases if name != "Unreleased")
    assert PROJECT["version"] == importlib.metadata.version("boneage")


def test_terms_of_code_weights_and_letters_are_installed():
    assert PROJECT["license"] == importlib.metadata.metadata("boneage")["License-Expression"]
    # a build leaves boneage.egg-info in the checkout, which is found too and lists no licences
    files = [path for made in importlib.metadata.distributions(name="boneage") for path in made.files or ()]
    licences = {path.name for path in files if "licenses" in path.parts}
    assert {"LICENSE", "LicenseRef-RSNA.txt", "OFL.txt"} <= licences


def test_continuous_integration_runs_every_python_that_is_promised():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    job = workflow["jobs"]["commands"]
    names = (name.rpartition(" :: ")[2] for name in PROJECT["classifiers"] if name.startswith("Programming Language"))
    assert job["strategy"]["matrix"]["python"] == [name for name in names if "." in name]
    assert PROJECT["requires-python"] == f">={job['strategy']['matrix']['python'][0]}"
    assert any(step.get("run") == ".ci/run" for step in job["steps"])


BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]  # building replaces the arguments
build_meta.build_sdist(out)
build_meta.build_wheel(out)
"""
PACKAGES = ("boneage", "data", "handseg", "pipeline", "regressor", "weights")
NOT_INSTALLED = ("pipeline/report/fonts/README.md", "weights/starts/")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Path:
    """A folder with the sdist and the wheel of the tracked files, with nets that are empty: these take long to pack."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a checkout, so the files of the project are not known")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("distributions")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".safetensors"):
            (copy / name).touch()
        else:
            shutil.copy(ROOT / name, copy / name)
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=copy, check=True, capture_output=True)
    return out


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def installed() -> set[str]:
    """The tracked files that belong to the package."""
    return {name for name in tracked() if name.split("/")[0] in PACKAGES and not name.startswith(NOT_INSTALLED)}


def test_a_wheel_holds_the_package_with_weights_terms_letters_and_catalogues_and_nothing_else(distributions):
    (wheel,) = distributions.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {name if name.startswith("boneage/") else f"boneage/{name}" for name in installed()}
    for kind in (
        "weights/nets/segmenter.safetensors",
        "weights/LicenseRef-RSNA.txt",
        "pipeline/report/locale/ko/boneage.po",
    ):
        assert f"boneage/{kind}" in names


def test_an_sdist_holds_the_package_and_no_test(distributions):
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert installed() <= names
    assert not any(name.startswith(("tests/", "docs/", "shared")) for name in names)


def test_distributions_are_fit_for_an_index(distributions):
    pytest.importorskip("twine")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
