"""The face of the library: what `import boneage` offers, and what it costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import boneage
from boneage import BoneAge, Child, Reading, SexError, to_dataframe
from boneage.data.remark import Remark

PUBLIC = {
    *("BoneAge", "Child", "Examination", "Reading", "Remark", "Tally", "__version__"),
    *("predict_cohort", "to_dataframe", "write_dicom", "write_heatmap", "write_report"),
    *("BoneAgeError", "ChildError", "CohortError", "ConfigError", "OutputError", "ReadError", "SexError"),
    "WeightsError",
}


@pytest.fixture
def bone_age(tiny_bundle, finds_hands) -> BoneAge:
    return BoneAge.load(tiny_bundle)


def test_everything_public_is_there_and_listed():
    assert set(boneage.__all__) == PUBLIC
    assert set(dir(boneage)) >= PUBLIC
    assert all(getattr(boneage, name).__doc__ for name in PUBLIC)
    assert boneage.__version__ == importlib.metadata.version("boneage")
    with pytest.raises(AttributeError, match="no attribute 'Bone'"):
        boneage.Bone  # noqa: B018


def test_importing_it_loads_nothing_heavy_and_a_reading_no_torch():
    code = """
import sys
from boneage import __version__
print(sorted({"torch", "numpy", "cv2", "pandas", "pydicom"} & set(sys.modules)))
from boneage import BoneAge, Reading, predict_cohort
print(sorted({"torch", "pandas", "matplotlib", "highdicom"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_it_is_typed_for_those_who_install_it():
    files = {Path(str(file)).as_posix() for file in importlib.metadata.files("boneage") or ()}
    assert Path(boneage.__file__).with_name("py.typed").is_file()
    assert any(name.endswith("boneage/py.typed") for name in files) or any("__editable__" in name for name in files)


def months(readings) -> list[float | None]:
    return [reading.bone_age_months for reading in readings]


def test_many_films_are_paths_and_one_sex_or_pairs(bone_age, hand_films):
    girls = months(bone_age.predict_many(hand_films, "F"))
    assert len(set(girls)) == 3
    assert months(bone_age.predict_many(map(str, hand_films), child=Child(sex="F"))) == girls
    assert months(bone_age.predict_many([(film, "girl") for film in hand_films])) == girls
    assert months(bone_age.predict_many([(film, Child(sex="F")) for film in hand_films])) == girls
    boy = bone_age.predict(hand_films[0], "M").bone_age_months
    assert months(bone_age.predict_many([(hand_films[0], "M"), *hand_films[1:]], "F")) == pytest.approx(
        [boy, *girls[1:]]
    )
    (known,) = bone_age.predict_many([(hand_films[0], Child(height_cm=120.0))], "F")
    assert (known.sex, known.height_cm) == ("F", 120.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda reader, film: reader.predict_many(film, "F"), TypeError, "give it to predict"),
        (lambda reader, film: reader.predict_many([film], "X"), SexError, "expected F or M"),
        (lambda reader, film: reader.predict_many([film], 4), SexError, "expected F or M"),
        (lambda reader, film: list(reader.predict_many([(film, "F", 4)])), TypeError, "a pair of a film and its sex"),
        (lambda reader, film: list(reader.predict_many([(film, "?")])), SexError, "expected F or M"),
        (lambda reader, film: reader.predict(film), SexError, "sex of the child is not known"),
    ],
)
def test_a_wrong_call_says_what_was_expected(bone_age, hand_films, call, error, words):
    with pytest.raises(error, match=words):
        call(bone_age, hand_films[0])


def test_readings_become_a_table_of_pandas(bone_age, hand_films, tmp_path):
    readings = list(bone_age.predict_many([*hand_films, tmp_path / "none.png"], "F"))
    table = to_dataframe(readings)
    assert list(table["file"]) == [reading.file for reading in readings]
    assert list(table["bone_age_months"][:3]) == [round(reading.bone_age_months, 2) for reading in readings[:3]]
    assert table["bone_age_months"].isna().tolist() == [False, False, False, True]
    assert "fingerprint" not in table
    assert list(to_dataframe([]).columns) == list(table.columns)


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "boneage", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == f"boneage, version {boneage.__version__}\n"


def test_reading_and_examination_are_what_the_reader_gives(bone_age, hand_films):
    examination = bone_age.examine(hand_films[0], "F")
    assert type(examination) is boneage.Examination
    assert type(examination.reading) is Reading


def test_a_notebook_shows_a_reading_as_a_table_in_which_nothing_is_markup():
    reading = Reading(
        "<b>.png", "review", (Remark("there seem to be several hands; the largest was read"),), "F", 127.4
    )
    shown = reading._repr_html_()
    assert "10 y 7 m (127.4 months)" in shown
    assert "several hands" in shown
    assert "not a medical device" in shown
    assert "<b>" not in shown
    assert "&lt;b&gt;.png" in shown
    assert "bone age" not in Reading("a.png", "failed")._repr_html_()


def test_films_of_every_form_are_read_alike(bone_age, hand_films):
    from PIL import Image

    expected = bone_age.predict(hand_films[0], "F").bone_age_months
    with open(hand_films[0], "rb") as file, Image.open(hand_films[0]) as picture:
        forms = [str(hand_films[0]), hand_films[0].read_bytes(), file, np.asarray(picture), picture]
        readings = [bone_age.predict(film, "F") for film in forms]
    assert [reading.bone_age_months for reading in readings] == [expected] * 5
    (failed,) = bone_age.predict_many([b"no picture"], "F")
    assert (failed.file, failed.status) == ("bytes", "failed")
