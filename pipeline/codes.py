"""Codes that a reading's results share, whatever their format: of LOINC, RadElement, SNOMED CT and the project's own.

LOINC says of 37362-1 that it is the radiologist's report, of 85151-9 the age itself, of 85150-1 the method. The
set RDES14 of RadElement is "pediatric bone age"; values of its element RDE1733 are numbered in the set's order.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """A concept: its code, the designator that DICOM has for the scheme (PS3.16 chapter 8), and what it means."""

    value: str
    scheme: str
    meaning: str


REPORT = Code("37362-1", "LN", "XR Bone age")
BONE_AGE = Code("85151-9", "LN", "XR Bone age")
METHOD = Code("85150-1", "LN", "Bone age method")
GREULICH_PYLE = Code("greulich-pyle", "99BONEAGE", "Greulich and Pyle")  # no scheme at hand has it
CHRONOLOGICAL_AGE = Code("RDE122", "RADELEMENT", "Chronological age")
PEDIATRIC_BONE_AGE = Code("RDES14", "RADELEMENT", "Pediatric bone age")
DETERMINATION = Code("RDE1733", "RADELEMENT", "Bone age determination")
DETERMINATIONS = {
    name: Code(f"RDE1733.{number}", "RADELEMENT", name)
    for number, name in enumerate(("delayed", "normal", "advanced", "indeterminate"))
}
Z_SCORE = Code("121416", "DCM", "Z-Score of measurement")
POPULATION_MEAN = Code("373098007", "SCT", "Mean Value of population")
POPULATION_SD = Code("121414", "DCM", "Standard deviation of population")
HAND = Code("85562004", "SCT", "Hand")
