"""The page of all settings is what `boneage train --show-recipe` prints, which is a recipe of all defaults."""

from __future__ import annotations

import dataclasses

import pytest
from click.testing import CliRunner
from pages import ROOT

from boneage.data.config import load_config
from boneage.data.described import described, descriptions
from boneage.handseg.config import SegmenterConfig
from boneage.pipeline.cli import main
from boneage.pipeline.recipe import Recipe
from boneage.regressor.config import RegressorConfig

PAGE = ROOT / "docs" / "reference" / "recipe.md"


def test_the_page_has_every_setting_as_the_program_has_it():
    assert f"```yaml\n{described(Recipe())}```\n" in PAGE.read_text("utf-8"), (
        "put what `boneage train --show-recipe` prints into the page"
    )


@pytest.mark.parametrize("kind", [Recipe, SegmenterConfig, RegressorConfig])
def test_every_setting_has_a_description_and_what_is_written_is_read_as_the_defaults(kind, tmp_path):
    for name, fields in descriptions(kind).items():
        for field, about in fields.items():
            assert about.get("description", "").endswith("."), f"{name}.{field}"
    (tmp_path / "recipe.yaml").write_text(described(kind()), "utf-8")
    assert load_config(kind, tmp_path / "recipe.yaml") == kind()


def test_what_stands_for_nothing_is_shown_with_its_own_settings():
    lines = described(RegressorConfig()).splitlines()
    begin = lines.index("teacher: null")
    assert lines[begin + 1] == "# teacher:"
    assert "#   until_epoch: 1000000" in lines[begin:]
    other = described(dataclasses.replace(RegressorConfig(), loss="mse")).splitlines()
    assert [line for line in other if line not in lines] == ['loss: "mse"']


@pytest.mark.parametrize(
    ("command", "kind"),
    [("train", Recipe), ("train-segmenter", SegmenterConfig), ("train-regressor", RegressorConfig)],
)
def test_the_command_shows_it_and_needs_nothing_else(command, kind):
    done = CliRunner().invoke(main, [command, "--show-recipe"])
    assert (done.exit_code, done.stdout) == (0, described(kind()))
