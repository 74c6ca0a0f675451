from __future__ import annotations

import math
import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.data.errors import BoneAgeError
from boneage.pipeline.measure.evaluation_plots import bland_altman_plot, scatter_plot
from boneage.pipeline.plotting import new_plot

NAMES = {"cohort": "made of numbers", "model": "tiny"}


def frame_of(n: int, lost: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(n)
    labelled = random.uniform(1, 228, n).round()
    frame = pd.DataFrame(
        {
            "id": [str(i) for i in range(n)],
            "file": "x.png",
            "sex": random.choice(["F", "M"], n),
            "labelled_months": labelled,
            "bone_age_months": labelled + random.normal(2, 9, n),
            "status": "ok",
        }
    )
    frame.loc[: lost - 1, "bone_age_months"] = math.nan
    return frame


@pytest.mark.parametrize("plot", [scatter_plot, bland_altman_plot])
@pytest.mark.parametrize("n", [1, 200])
def test_a_plot_is_a_whole_picture_with_something_on_it(tmp_path, plot, n):
    path = tmp_path / "out" / "plot.png"
    plot(frame_of(n), path, **NAMES)
    with Image.open(path) as picture:
        picture.load()
        assert min(picture.size) >= 600
        assert np.asarray(picture.convert("L")).std() > 5
    assert [file.name for file in path.parent.iterdir()] == ["plot.png"]


def test_titles_axes_and_lines_say_what_they_show(tmp_path):
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # text stays text, so that it can be read back
        for plot in (scatter_plot, bland_altman_plot):
            plot(frame_of(200, lost=3), tmp_path / f"{plot.__name__}.svg", **NAMES)
    frame = frame_of(200, lost=3)
    errors = (frame["bone_age_months"] - frame["labelled_months"]).dropna()
    scatter = (tmp_path / "scatter_plot.svg").read_text()
    bland_altman = (tmp_path / "bland_altman_plot.svg").read_text()
    for text in (scatter, bland_altman):
        for words in ("made of numbers", "n = 197", "3 more not assessed", "model tiny", "girls", "boys"):
            assert words in text
        assert "(months)" in text
        assert "(years)" in text
    assert f"MAE {errors.abs().mean():.2f} months" in scatter
    assert "identity" in scatter
    for months in (errors.mean(), errors.mean() + 1.96 * errors.std(), errors.mean() - 1.96 * errors.std()):
        assert f"{months:+.1f} months".replace("-", "−") in bland_altman


def test_nothing_predicted_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(BoneAgeError, match="none of 4 films"):
        scatter_plot(frame_of(4, lost=4), tmp_path / "plot.png", **NAMES)
    assert not list(tmp_path.iterdir())


def test_the_labels_of_lines_that_are_close_stand_apart(tmp_path):
    frame = frame_of(5)
    frame["bone_age_months"] = frame["labelled_months"] + [2.0, 2.1, 2.2, 2.1, 2.0]
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        bland_altman_plot(frame, tmp_path / "plot.svg", **NAMES)
    heights = re.findall(r"translate\([\d.]+ ([\d.]+)\)[^<]*>bias", (tmp_path / "plot.svg").read_text())
    below, at, above = sorted(map(float, heights))
    assert min(at - below, above - at) > 20  # points; a label has two lines of 10


def test_a_long_title_stays_within_the_picture():
    title = f"Predicted and labelled bone age: {'films of a clinic, ' * 8}", "n = 5; model tiny"
    figure, _ = new_plot((6.4, 6.9), title)
    figure.draw_without_rendering()
    (title,) = figure.texts
    assert figure.bbox.x0 <= title.get_window_extent().x0 < title.get_window_extent().x1 <= figure.bbox.x1
    assert title.get_text().endswith("\nn = 5; model tiny")


def test_figures_of_few_films_are_called_rough(tmp_path):
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        for n in (29, 30):
            scatter_plot(frame_of(n), tmp_path / f"{n}.svg", **NAMES)
    assert "figures of fewer than 30 films are rough" in (tmp_path / "29.svg").read_text()
    assert "rough" not in (tmp_path / "30.svg").read_text()
