"""Every sentence of the page, under the name that its templates and its script use."""

from __future__ import annotations

from collections.abc import Mapping

from ...data.remark import Remark, Verbatim
from ...data.side import SIDES
from ..reading import DISCLAIMER
from ..report.language import Language
from ..report.page import ABOUT_HEAT, ABOUT_OUTLINE
from .settings import Settings

_KINDS = Verbatim("PNG, JPEG, TIFF, WebP, BMP, DICOM")


def page_words(settings: Settings, language: Language) -> Mapping[str, str]:
    """The sentences of the page in a language."""
    minutes, size = settings.keep / 60, Verbatim(f"{settings.max_upload / 2**20:.4g} MiB")
    stored = Remark(
        "Your film is not stored: it is read in memory, and forgotten with its result after {minutes:g} minutes at "
        "most.",
        minutes=minutes,
    )
    if settings.spool is not None:
        stored = Remark(
            "Your film is not kept: it waits in a file without a name, which is gone once it is read; its result is "
            "forgotten after {minutes:g} minutes at most.",
            minutes=minutes,
        )
    kinds = Remark("{kinds}; up to {size}", kinds=_KINDS, size=size)
    remarks = {**_FORM, **_CARD, "kinds": kinds, "stored": stored}
    return {name: language.say(remark) for name, remark in remarks.items()}


def card_words(language: Language) -> Mapping[str, str]:
    """The sentences of a reading's card in a language."""
    return {name: language.say(remark) for name, remark in _CARD.items()}


_FORM: Mapping[str, Remark] = {
    "title": Remark("Bone age from a radiograph of the hand"),
    "research": DISCLAIMER,
    "language": Remark("Language"),
    "film": Remark("Radiograph"),
    "drop": Remark("Drop a radiograph here"),
    "choose": Remark("or choose a file"),
    "another": Remark("choose another file"),
    "example": Remark("Try the drawn example hand"),
    "drawn": Remark("drawn example hand"),
    "sex": Remark("Sex"),
    "girl": Remark("girl"),
    "boy": Remark("boy"),
    "sex_why": Remark("It is never guessed: girls and boys mature at different ages."),
    "optional": Remark("optional"),
    "age": Remark("Age at the examination"),
    "years": Remark("years"),
    "months": Remark("months"),
    "height": Remark("Height"),
    "weight": Remark("Weight"),
    "body": Remark("Height and weight"),
    "more": Remark("Parents, hand and name"),
    "parents": Remark("Parents' heights"),
    "mother": Remark("Mother's height"),
    "father": Remark("Father's height"),
    "mother_short": Remark("mother"),
    "father_short": Remark("father"),
    "heights_why": Remark(
        "With the age, the height gives the adult height by Bayley-Pinneau; weight and both parents' heights give it "
        "by two more methods."
    ),
    "side": Remark("Hand shown"),
    "left": SIDES["left"],
    "right": SIDES["right"],
    "unstated": Remark("not stated"),
    "name": Remark("Name in the report"),
    "name_why": Remark("A pseudonym, or none. Only reports have it."),
    "read": Remark("Read bone age"),
    "reading": Remark("The film is being read."),
    "cancel": Remark("Cancel"),
    "cancelled": Remark("The reading was cancelled."),
    "need_film": Remark("Choose a radiograph first, or take the drawn example hand."),
    "need_sex": Remark("Say whether the child is a girl or a boy."),
    "need_years": Remark("Give the years of the age, too."),
    "lost": Remark("The service does not answer. Check the connection, and try again."),
    "token": Remark("Access token"),
    "token_why": Remark("This service asks for a token, which whoever runs it gives you."),
    "script": Remark("This page needs {script}, which is switched off.", script=Verbatim("JavaScript")),
    "what": Remark("What you get"),
    "what_age": Remark("The bone age in years and months, and the interval that is to hold it in nine of ten films."),
    "what_status": Remark(
        "Whether the film can be relied on: a doubtful one says why, and what is no whole hand gets no number."
    ),
    "what_map": Remark("Where on the film the reading comes from, and a report to take with you."),
    "heat_wait": Remark("The heat map is being made, which takes some seconds."),
    "made": Remark("The result is being made."),
}
_CARD: Mapping[str, Remark] = {
    "bone_age": Remark("Bone age"),
    "interval": Remark("90 % interval"),
    "chronological": Remark("Chronological age"),
    "usual": Remark("2 SD around the chronological age"),
    "usual_mean": Remark("2 SD around the mean at this age"),
    "axis": Remark("years"),
    "picture": Remark("Radiograph"),
    "show": Remark("Show"),
    "show_film": Remark("Film"),
    "show_outline": Remark("Outline"),
    "show_heat": Remark("Heat map"),
    "about_outline": ABOUT_OUTLINE,
    "about_heat": ABOUT_HEAT,
    "facts": Remark("Child and reference"),
    "limits": Remark("Notes and limits"),
    "take": Remark("Take with you"),
    "report": Remark("Report"),
    "made_by": DISCLAIMER,
}
