"""What the project states about itself in several places is the same in all of them, and its terms are installed."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

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
