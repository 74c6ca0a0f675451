"""A bundle names its nets by SHA-256; what is not as it says is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from boneage.data.errors import WeightsError
from boneage.weights.bundle import (
    HOME,
    Bundle,
    NetFile,
    RegressorFile,
    read_bundle,
    segmenter_of,
    shipped_bundles,
    write_bundle,
)


@pytest.fixture
def bundle(tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def changed(folder: Path, **values) -> None:
    file = folder / "bundle.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text("utf-8")) | values), "utf-8")


def test_what_is_stored_comes_back(tiny_bundle, tmp_path):
    net = read_bundle(tiny_bundle).regressors[0].path
    own = Bundle(
        "own",
        segmenter_of(tiny_bundle),
        (RegressorFile.of(net, (0.9, 1.0)), RegressorFile.of(net)),
        {"slope": 1.0000000000000002, "half_width": {"F": [1e-5, 0.1]}},
        {"report": {"mae": 5.5, "n": 3}},
        "research – only",
        {"segmenter": {"rounds": 1}},
        {"regressor_minutes": 1.5},
    )
    stored = write_bundle(own, tmp_path / "own")
    found = read_bundle(tmp_path / "own")
    assert found == stored == read_bundle(tmp_path / "own" / "bundle.yaml")
    assert found.digest == own.digest
    copied = {path.relative_to(tmp_path / "own").as_posix() for path in (tmp_path / "own").rglob("*") if path.is_file()}
    nets = {f"nets/{name}.safetensors" for name in ("segmenter", "regressor-1", "regressor-2")}
    assert copied == {"bundle.yaml", *nets}
    moved = replace(own, segmenter=stored.segmenter, regressors=stored.regressors, file=stored.file)
    assert found == moved


def test_the_digest_is_of_all_that_decides_a_reading_and_of_nothing_else(tiny_bundle):
    plain = read_bundle(tiny_bundle)
    other = NetFile(plain.segmenter.path, "0" * 64)
    zoomed = (replace(plain.regressors[0], zooms=(0.9,)),)
    differing = [{"segmenter": other}, {"regressors": zoomed}, {"calibration": {"slope": 2.0}}]
    assert len({plain.digest, *(replace(plain, **change).digest for change in differing)}) == 4
    assert replace(plain, name="else", metrics={}, file=None).digest == plain.digest


def test_shipped_bundles_are_known_by_name():
    assert shipped_bundles() == ("default", "fast")
    assert read_bundle("fast").file == HOME / "fast.yaml"


def test_shipped_bundles_are_read_from_a_folder_that_may_not_be_entered(monkeypatch):
    def refused(path: Path) -> bool:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    assert read_bundle("fast").file == HOME / "fast.yaml"


def test_a_damaged_net_is_refused(bundle):
    net = bundle / "nets" / "segmenter.safetensors"
    content = bytearray(net.read_bytes())
    content[len(content) // 2] ^= 1
    net.write_bytes(content)
    with pytest.raises(WeightsError, match=r"segmenter\.safetensors: its SHA-256 is .* fetch the bundle again"):
        read_bundle(bundle).segmenter.content()


def test_a_missing_net_is_refused(bundle):
    (bundle / "nets" / "regressor-1.safetensors").unlink()
    with pytest.raises(
        WeightsError, match=r"regressor-1\.safetensors: no such weights file, but .*bundle\.yaml names it"
    ):
        read_bundle(bundle)


def test_where_there_is_no_bundle_the_shipped_names_are_told(tmp_path):
    for missing in (tmp_path, "no-such-name"):
        with pytest.raises(
            WeightsError, match=r"expected a folder with bundle\.yaml, or a shipped name \(default, fast\)"
        ):
            read_bundle(missing)


def test_a_folder_of_an_earlier_version_is_refused_with_what_to_do(tmp_path):
    for kind in ("segmenter", "regressor"):
        (tmp_path / f"{kind}.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"boneage 0\.1\.0 or earlier .* expected bundle\.yaml .* boneage train"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": 2}, "not a bundle of format 1"),
        ({"surprise": 1}, "surprise"),
        ({"segmenter": {"path": "nets/segmenter.safetensors"}}, "sha256"),
        ({"segmenter": "nets/segmenter.safetensors"}, "not as a bundle should be"),
        ({"regressors": []}, "at least one regressor"),
        ({"regressors": None}, "not as a bundle should be"),
        ({"name": ""}, "expected a name"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(bundle, values, said):
    changed(bundle, **values)
    with pytest.raises(WeightsError, match=said) as caught:
        read_bundle(bundle)
    assert str(bundle / "bundle.yaml") in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2]", "name: [1", "just words", ""])
def test_a_file_that_is_no_bundle_at_all_is_refused(bundle, text):
    (bundle / "bundle.yaml").write_text(text)
    with pytest.raises(WeightsError, match="not a"):
        read_bundle(bundle)


def test_a_file_of_code_is_not_executed(bundle, monkeypatch):
    monkeypatch.chdir(bundle)
    (bundle / "bundle.yaml").write_text(
        "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [x]]"
    )
    with pytest.raises(WeightsError):
        read_bundle(bundle)
    assert not (bundle / "x").exists()


def test_a_segmenter_is_named_by_its_file_or_by_its_bundle(tiny_bundle, tmp_path):
    file = tiny_bundle / "nets" / "segmenter.safetensors"
    assert segmenter_of(file) == segmenter_of(str(tiny_bundle)) == NetFile.of(file)
    with pytest.raises(WeightsError, match="no such weights file"):
        segmenter_of(tmp_path / "none.safetensors")


def test_the_card_of_a_bundle_is_in_its_folder_and_of_a_shipped_one_among_the_cards(tiny_bundle):
    assert read_bundle(tiny_bundle).card == tiny_bundle / "MODEL_CARD.md"
    assert read_bundle("fast").card == HOME / "cards" / "fast.md"
