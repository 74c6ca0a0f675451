from __future__ import annotations

import pickle
from copy import copy, deepcopy
from dataclasses import FrozenInstanceError
from datetime import date

import pytest

from boneage.data.errors import ChildError, FilmError, ReadError, SexError
from boneage.data.remark import Remark, Verbatim


def small(share: float = 0.054) -> Remark:
    return Remark("the hand fills {share:.0%} of the field, less than {least:.0%}", share=share, least=0.08)


def test_the_english_text_is_the_template_with_its_values_by_their_formats():
    assert str(small()) == "the hand fills 5% of the field, less than 8%"
    assert str(Remark("SDS {low:+.1f} on {day}", low=2.04, day=date(2020, 4, 15))) == "SDS +2.0 on 2020-04-15"
    assert str(Remark("90 % of {file}", file=Verbatim("a {b}.png"))) == "90 % of a {b}.png"
    assert f"{Remark('ok'):>4}|{Remark('ok')}" == "  ok|ok"


def test_a_clause_is_a_remark_too_and_several_are_listed():
    fact = Remark("the age is {months:g} months", months=12)
    assert str(Remark("{fact}, so none was taken", fact=fact)) == "the age is 12 months, so none was taken"
    sides = [Remark("upper"), Remark("left"), Remark("right")]
    lists = [str(Remark("it reaches the {sides} edge", sides=tuple(sides[:number]))) for number in (1, 2, 3)]
    assert [text[15:-5] for text in lists] == ["upper", "upper and left", "upper, left and right"]


def test_remarks_are_equal_by_content_and_hashable():
    assert small() == small()
    assert len({small(), small(), small(0.06), Remark("the hand"), Remark("the hand").about("a.png")}) == 4
    assert Remark("{a} {b}", a=1, b=2) == Remark("{a} {b}", b=2, a=1)


def test_a_remark_cannot_be_changed():
    remark = small()
    with pytest.raises(FrozenInstanceError):
        remark.template = "another"  # pyright: ignore[reportAttributeAccessIssue]
    dict(remark.values).clear()
    assert set(remark.values) == {"share", "least"}


@pytest.mark.parametrize("again", [copy, deepcopy, lambda remark: pickle.loads(pickle.dumps(remark))])
def test_copies_and_pickles_are_the_same_remark(again):
    remark = Remark("{why}, on {day}", why=small(), day=date(2020, 4, 15)).about("film.png")
    assert again(remark) == remark
    assert str(again(remark)) == str(remark)


def test_the_subject_stands_before_the_sentence_and_is_no_part_of_its_template():
    remark = small().about("film.png")
    assert str(remark) == f"film.png: {small()}"
    assert remark.template == small().template
    assert remark.outline == small().outline


def test_one_cause_has_one_outline_whatever_the_film():
    assert small(0.01).outline == small(0.02).outline == "the hand fills … of the field, less than …"
    faults = [Remark("{fault}; check the dates", fault=Remark("{one} is before birth", one=k)) for k in range(2)]
    assert {fault.outline for fault in faults} == {"… is before birth; check the dates"}


def test_values_may_be_shown_in_another_language():
    shown = small().rendered(lambda template: template.upper().replace("SHARE", "share").replace("LEAST", "least"),
                             lambda value, form: f"<{value}{form}>")  # fmt: skip
    assert shown == "THE HAND FILLS <0.054.0%> OF THE FIELD, LESS THAN <0.08.0%>"


@pytest.mark.parametrize("kind", [ReadError, SexError, ChildError])
def test_the_error_of_a_film_carries_its_remark(kind):
    error = kind("film.png", small())
    assert isinstance(error, FilmError)
    assert str(error) == f"film.png: {small()}"
    assert error.remark == small().about("film.png")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.remark) == (kind, str(error), error.remark)
    assert str(kind(None, small())) == str(small())
