from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from boneage.data.config import config_values, dataclass_in, load_config, make_config, save_config, without_defaults
from boneage.data.errors import ConfigError
from boneage.handseg.config import SegmenterConfig
from boneage.pipeline.measure.plan import Plan
from boneage.pipeline.recipe import BundleConfig, Recipe
from boneage.regressor.config import Distillation, RegressorConfig, Stage


@dataclass(frozen=True)
class Inner:
    size: int = 3
    factor: float = 0.5
    how: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size is negative")


@dataclass(frozen=True)
class Needs:
    size: int
    factor: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str = "plain"
    flag: bool = False
    inner: Inner = Inner()
    maybe: Inner | None = None
    parts: tuple[Inner, ...] = ()
    numbers: tuple[int, ...] = (1, 2)
    need: Needs | None = None

    def __post_init__(self) -> None:
        if self.name == "":
            raise ValueError("name is empty")


def written(folder, text: str):
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_fills_nested_optional_and_repeated_parts(tmp_path):
    text = """
        name: deep
        flag: true
        inner: {size: 7}
        maybe: {factor: 0.25}
        parts: [{size: 1}, {size: 2, factor: 3}]
        numbers: [5, 6, 7]
    """
    assert load_config(Outer, written(tmp_path, text)) == Outer(
        "deep", True, Inner(7), Inner(factor=0.25), (Inner(1), Inner(2, 3.0)), (5, 6, 7)
    )


def test_what_is_not_given_keeps_its_default(tmp_path):
    assert load_config(Outer, None) == Outer()
    assert load_config(Outer, written(tmp_path, "")) == Outer()
    assert load_config(Outer, written(tmp_path, "name: x")) == Outer(name="x")


def test_an_override_wins_over_the_file_and_none_does_not(tmp_path):
    path = written(tmp_path, "{name: file, numbers: [9]}")
    assert load_config(Outer, path, {"name": "mine", "numbers": None}) == Outer(name="mine", numbers=(9,))


def test_an_optional_part_may_be_left_empty(tmp_path):
    assert load_config(Outer, written(tmp_path, "maybe: null")).maybe is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae: x", "unknown key nmae"),
        ("1: x", "unknown key 1"),
        ("inner: {sizes: 7}", "inner: unknown key sizes"),
        ("maybe: {sizes: 7}", "maybe: unknown key sizes"),
        ("parts: [{size: 1}, {sizes: 7}]", "parts 2: unknown key sizes; expected some of factor, how, size"),
        ("inner: {how: c}", "inner: how is 'c', expected 'a' or 'b'"),
        ("need: {factor: 1}", "need: the key size is missing"),
        ("inner: {size: -1}", "inner: size is negative"),
        ("{name: 5, flag: 1}", "name is 5, expected a valid string; "),
        ("{name: 5, flag: 1}", "flag is 1, expected a valid boolean"),
        ("name: 5", "name is 5, expected a valid string"),
        ("flag: 1", "flag is 1, expected a valid boolean"),
        ("inner: {size: 2.5}", "inner: size is 2.5, expected a valid integer"),
        ("inner: {size: true}", "size is True, expected a valid integer"),
        ("inner: {factor: true}", "factor is True, expected a valid number"),
        ("inner: {factor: large}", "factor is 'large', expected a valid number"),
        ("inner: 5", "inner is 5, expected keys"),
        ("inner: null", "inner is None, expected keys"),
        ("maybe: 5", "maybe is 5, expected keys"),
        ("parts: {size: 2}", "expected a list"),
        ("numbers: 5", "numbers is 5, expected a list"),
        ("numbers: [1, two]", "numbers 2 is 'two', expected a valid integer"),
        ("name: ''", "name is empty"),
        ("[1, 2]", "expected keys and values, found list"),
        ("[]", "expected keys and values, found list"),
        ("just a word", "expected keys and values, found str"),
        ("name: [1", "not a readable YAML file"),
        ("name: !!python/object/apply:os.getcwd []", "not a readable YAML file"),
    ],
)
def test_faults_are_named_with_file_and_key(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_missing_file_and_one_that_is_not_text_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        load_config(Outer, tmp_path / "none.yaml")
    (tmp_path / "noise.yaml").write_bytes(b"\xff\xfe\x80\x81")
    with pytest.raises(ConfigError, match="not a readable YAML file"):
        load_config(Outer, tmp_path / "noise.yaml")


def test_numbers_are_read_as_people_write_them(tmp_path):
    assert load_config(Inner, written(tmp_path, "factor: 2")).factor == 2.0
    assert isinstance(load_config(Inner, written(tmp_path, "factor: 2")).factor, float)
    assert load_config(Inner, written(tmp_path, "factor: 1e-3")).factor == 0.001  # text to YAML 1.1


@pytest.mark.parametrize(
    "config",
    [
        Outer(maybe=Inner(4), parts=(Inner(1), Inner(2))),
        SegmenterConfig(learning_rate=1e-5),
        RegressorConfig(teacher=Distillation(weights="teacher.safetensors"), stages=(Stage(1, 64), Stage(2, 96, 1.0))),
        Recipe(regressors=(RegressorConfig(loss="mse"), RegressorConfig(teacher=Distillation(until_epoch=3)))),
    ],
)
def test_a_saved_configuration_comes_back_equal(tmp_path, config):
    save_config(config, tmp_path / "saved.yaml")
    assert load_config(type(config), tmp_path / "saved.yaml") == config
    assert make_config(type(config), config_values(config)) == config


def test_what_differs_from_the_defaults_makes_the_same_configuration():
    stages = (Stage(1, 64), Stage(2, 96, 1.0, 0.3))
    regressors = (RegressorConfig(stages=stages), RegressorConfig(teacher=Distillation()))
    recipe = Recipe(regressors=regressors, bundles=(BundleConfig("mine", (1, 2)), BundleConfig("small")))
    short = without_defaults(Recipe, config_values(recipe))
    assert make_config(Recipe, short) == recipe
    assert short == {
        "regressors": [
            {"stages": [{"epochs": 1, "size": 64}, {"epochs": 2, "size": 96, "dropout": 0.3}]},
            {"teacher": {}},
        ],
        "bundles": [{"name": "mine", "regressors": [1, 2]}, {"name": "small"}],
    }
    assert without_defaults(Recipe, config_values(Recipe()) | {"old": 1}) == {"old": 1}


def test_a_teacher_is_built_from_a_mapping():
    recipe = make_config(
        Recipe,
        {
            "regressors": [
                {"net": {"hidden": [8]}, "stages": [{"epochs": 1, "size": 96}]},
                {"teacher": {"features": 2}, "stages": [{"epochs": 1, "size": 64}]},
            ]
        },
    )
    first, final = recipe.regressors
    assert first.net.hidden == (8,)
    assert final.teacher == Distillation(features=2.0)
    assert final.stages == (Stage(1, 64),)
    assert recipe.crop_size == 96


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (SegmenterConfig, {"input_size": 100}),
        (SegmenterConfig, {"steps": 0}),
        (RegressorConfig, {"loss": "l3"}),
        (RegressorConfig, {"net": {"fusion": "middle"}}),
        (RegressorConfig, {"stages": []}),
        (RegressorConfig, {"stages": [{"epochs": 1, "size": 65}]}),
        (RegressorConfig, {"batch_size": 0}),
        (RegressorConfig, {"learning_rate": -1e-3}),
        (RegressorConfig, {"ema": 1.0}),
        (RegressorConfig, {"clip": -1.0}),
        (RegressorConfig, {"weight_decay": float("nan")}),
        (SegmenterConfig, {"learning_rate": float("inf")}),
        (Recipe, {"segmenter": {"rounds": 0}}),
        (Recipe, {"regressors": []}),
        (Recipe, {"bundles": []}),
        (Recipe, {"bundles": [{"name": "one"}, {"name": "one", "zooms": [0.9]}]}),
        (Recipe, {"bundles": [{"regressors": [2]}]}),
        (Recipe, {"bundles": [{"zooms": [0.1]}]}),
    ],
)
def test_values_that_cannot_work_are_configuration_errors(kind, values):
    with pytest.raises(ConfigError):
        make_config(kind, values)


def numeric_fields(kind: type, place: tuple[str, ...] = ()) -> Iterator[tuple[type, tuple[str, ...], bool]]:
    """Each setting that is a number, or several: its dataclass, its place from the top, and whether it is several."""
    for name, hint in get_type_hints(kind).items():
        if inner := dataclass_in(hint):
            yield from numeric_fields(inner, (*place, name))
        elif {int, float} & {hint, *get_args(hint)}:
            yield kind, (*place, name), get_origin(hint) is tuple


@pytest.mark.parametrize("number", [10**12, -(10**12), 10**300], ids=["large", "below 0", "immense"])
@pytest.mark.parametrize("top", [Recipe, Plan])
def test_no_setting_is_so_large_that_memory_or_time_ends_before_it(top, number):
    """Whatever is added later, too: each number of a recipe and a plan has a range."""
    fields = list(numeric_fields(top))
    assert len(fields) > 20
    for kind, place, several in fields:
        needed = {"epochs": 1, "size": 32} if kind is Stage else {"arms": [{"name": "a"}]} if kind is Plan else {}
        with pytest.raises(ConfigError) as caught:
            make_config(kind, {**needed, place[-1]: [number] if several else number})
        said = str(caught.value)
        assert f"{place[-1]} is {str(number)[0]}" in said, place
        assert "expected" in said
        assert len(said) < 250


def test_every_setting_outside_its_range_is_named_with_the_range(tmp_path):
    text = "{batch_size: 1000000000000, warmup: -1, net: {hidden: [8, 99999999]}, stages: [{epochs: 1, size: 4096}]}"
    with pytest.raises(ConfigError) as caught:
        load_config(RegressorConfig, written(tmp_path, text))
    for said in ("net: hidden is 99999999, expected 1 to 16,384", "stages 1: size is 4096, expected 32 to 2,048"):
        assert said in str(caught.value)
    with pytest.raises(ConfigError, match="warmup is -1, expected 0 to 10,000,000; batch_size is 1000000000000"):
        load_config(RegressorConfig, written(tmp_path, "{batch_size: 1000000000000, warmup: -1}"))
    with pytest.raises(ConfigError, match="hidden has 100 values, expected at most 64"):
        load_config(RegressorConfig, written(tmp_path, f"net: {{hidden: {[8] * 100}}}"))


def test_aliases_by_which_a_few_lines_stand_for_millions_of_values_are_refused(tmp_path):
    levels = "".join(f"l{k}: &l{k} [{', '.join([f'*l{k - 1}' if k else 'x'] * 9)}]\n" for k in range(9))
    (tmp_path / "bomb.yaml").write_text(levels)
    with pytest.raises(ConfigError, match=r"bomb\.yaml: .*alias \*l0") as caught:
        load_config(SegmenterConfig, tmp_path / "bomb.yaml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["data: [" * 3000, "data: !!python/object:os.system x", "data: \x00", "? [a]\n: b"])
def test_yaml_that_cannot_be_read_is_one_short_error(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"odd\.yaml") as caught:
        load_config(SegmenterConfig, tmp_path / "odd.yaml")
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{seed: 1, seed: 2}", "key seed is in line 1 and line 1"),
        ("net:\n  hidden: [8]\n  fusion: late\n  hidden: [9]", "key hidden is in line 2 and line 4"),
        ("net: !!map x", "expected a mapping node"),
        ("seed: 0x" + "f" * 9000, "line 1 has a number of 9,002 characters"),
        ("seed: 1" + ":59" * 50_000, "number of 150,001 characters"),
        ("clip: 1" + ":59" * 300 + ".5", "number of 903 characters"),
        ("net: " + "[" * 300 + "]" * 300, "line 1 nests values over 50 deep"),
        ("net: " + "{a: " * 900 + "1" + "}" * 900, "line 1 nests values over 50 deep"),
        ("loss: " + "z" * 300_000, "over 200,000 bytes"),
        ("\n".join(f"k{k}: 1" for k in range(3000)), "and 2,995 faults more"),
        ("stages: [" + "3, " * 40_000 + "]", "and 39,995 faults more"),
        ("net: {" + "k" * 900 + ": 1}", "unknown key kkk"),
    ],
)
def test_settings_that_say_too_much_or_twice_are_one_short_error(tmp_path, text, said):
    with pytest.raises(ConfigError, match=r"config\.yaml") as caught:
        load_config(RegressorConfig, written(tmp_path, text))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_byte_order_mark_before_settings_is_dropped(tmp_path):
    assert load_config(Inner, written(tmp_path, "\ufeffsize: 7")).size == 7


def test_what_is_no_file_is_not_waited_for(tmp_path):
    with pytest.raises(ConfigError, match="it is a folder"):
        load_config(Inner, tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.yaml")
        with pytest.raises(ConfigError, match=r"pipe\.yaml: .*it is no file"):
            load_config(Inner, tmp_path / "pipe.yaml")


@pytest.mark.parametrize(
    "name",
    ["../x", "/tmp/x", ".", "..", "a/b", "a\\b", "a\0b", "CON", "n" * 300, "crops", "Regressor-1", "recipe.yaml"],
)
def test_a_bundle_has_a_name_that_is_a_new_folder_in_its_training(name):
    with pytest.raises(ConfigError, match="no name for a new folder") as caught:
        make_config(Recipe, {"bundles": [{"name": name}]})
    assert len(str(caught.value)) < 400
    assert make_config(Recipe, {"bundles": [{"name": "own-2.1_\u00e9"}]})
    with pytest.raises(ConfigError, match="a name of its own"):
        make_config(Recipe, {"bundles": [{"name": "own"}, {"name": "Own"}]})
