"""The columns of tables of radiographs: their usual names, and the sex that a row states."""

from __future__ import annotations

from .errors import SexError
from .sex import Sex, parse_sex
from .table import Row, Table

# The names with capitals are the headers of RSNA's validation and test tables; `id`, `boneage` and `male` are those of
# its training table.
_PATH_AND_SEX = {"path": {"path": ("path", "file")}, "sex": {"sex": ("sex",), "male": ("male",)}}
COHORT = _PATH_AND_SEX | {
    "id": {"id": ("id", "Image ID", "Case ID")},
    "bone age": {
        "bone_age_months": ("bone_age_months", "boneage", "Bone Age (months)", "Ground truth bone age (months)"),
        "bone_age_years": ("bone_age_years",),
        "bone_age": ("bone_age",),
    },
    "patient": {"patient": ("patient", "patient_id")},
}
INPUTS = COHORT | {
    "age": {"age": ("age",), "age_months": ("age_months",), "age_years": ("age_years",)},
    "birth date": {"birth_date": ("birth_date",)},
    "exam date": {"exam_date": ("exam_date",)},
    "height": {"height": ("height",), "height_cm": ("height_cm",)},
    "side": {"side": ("side", "laterality")},
    "pseudonym": {"pseudonym": ("pseudonym",)},
    "weight": {"weight": ("weight",), "weight_kg": ("weight_kg",)},
    "mother": {"mother": ("mother", "mother_height"), "mother_cm": ("mother_cm", "mother_height_cm")},
    "father": {"father": ("father", "father_height"), "father_cm": ("father_cm", "father_height_cm")},
}
_MALE: dict[str, Sex] = dict.fromkeys(("true", "1", "1.0", "yes", "wahr", "ja"), "M")
_MALE |= dict.fromkeys(("false", "0", "0.0", "no", "falsch", "nein"), "F")


def sex_of(row: Row, table: Table) -> Sex | None:
    """The sex of a row, from a word, or from True, False, 1 or 0 (yes, no, wahr, ja, ...) in a column `male`.

    None without such a column, for a blank cell, and for one that cannot be read, which is noted as a fault.
    """
    text = row.cells.get("sex")
    if not text:
        return None
    if table.roles["sex"] == "male":
        sex = _MALE.get(text.lower())
        if sex is None:
            table.faults.add(row.line, "unknown sex", f"male is {text!r}, expected True or False, 1 or 0")
        return sex
    try:
        return parse_sex(text)
    except SexError:
        table.faults.add(row.line, "unknown sex", f"{text!r}, expected F or M, or a word such as female, männlich, 여")
        return None
