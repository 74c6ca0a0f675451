"""The sentences that a reading may carry, for translation: reasons, notes and caveats as other modules make them.

A reading states them in English, whoever reads it. A report shows them in its language: a sentence is known by its
form, {names} standing for what differs; what stands there is translated in turn, so that a clause may be a form of its
own. A sentence that is not listed is shown in English.
"""

from __future__ import annotations


def mark(message: str) -> str:
    """Mark a message for the catalogues."""
    return message


SENTENCES = (
    # the picture
    mark("the picture is {width} x {height} pixels, at least {least} are needed"),
    mark("the picture is {width} x {height} pixels, too long for a film of a hand"),
    mark("the picture is blank: it has hardly any contrast"),
    mark("the picture is in colour: a photograph, not a radiograph"),
    mark("grey levels were inverted: bone was dark"),
    mark("bone looks dark on bright, and the greys were left as the DICOM states them"),
    mark("greys are {kind}: {low} to {high} were scaled to black and white"),
    mark("{share} of the picture is transparent and was taken as black"),
    mark("window width {width} is not valid and was left out"),
    mark("pixel spacing is at the detector, so lengths are of the shadow, slightly enlarged"),
    # the hand
    mark("no hand was found"),
    mark("what was found does not look like a hand: the outline is uncertain"),
    mark("the outline of the hand is uncertain"),
    mark("the outline does not have the shape of a hand"),
    mark("there seem to be several hands, of which the largest was read"),
    mark("the hand fills {share} of the field, under {least}"),
    mark("the hand fills {share} of the field, over {most}"),
    mark("the hand may be cut off: it reaches the {first} and the {second} and the {third} and the {fourth} edge"),
    mark("the hand may be cut off: it reaches the {first} and the {second} and the {third} edge"),
    mark("the hand may be cut off: it reaches the {first} and the {second} edge"),
    mark("upper"),
    mark("lower"),
    mark("left"),
    mark("right"),
    mark("the film is too bright: {share} of the hand is plain white"),
    mark("the film is too dark: the hand has only {number} grey levels"),
    mark("the picture was compressed too much: the blocks of a JPEG show on the hand"),
    mark("the hand was found only after evening out the exposure"),
    mark("the hand could not be outlined, so the whole frame was read"),
    mark("the hand lies turned by 90 degrees clockwise on the film; it was read turned upright"),
    mark("the hand lies upside down on the film; it was read turned upright"),
    mark("the hand lies turned by 90 degrees anticlockwise on the film; it was read turned upright"),
    mark("it is not clear which way up the hand lies; it was read the way that looked likeliest"),
    # the age
    mark("age given"),
    mark("PatientAge is not three digits and a unit (D, W, M or Y), and was left out"),
    mark("{name} is not a date, and was left out"),
    mark("AcquisitionDate is {acquired} and StudyDate {study}; the film was taken to be of the first"),
    mark("the DICOM's ages differ, {one} and {other}, so neither was taken"),
    mark("{fault}, so no chronological age was taken from the DICOM"),
    mark("a birth date was given, but the date of the examination is not known; give --exam-date"),
    mark("the date of the examination was given, but the birth date is not known; give --birth-date"),
    mark("birth date {birth}, examination date {exam}"),
    mark("given"),
    mark("of the DICOM"),
    mark("{fact}, and its difference from the bone age no better{change}"),
    mark("the chronological age is known to {months} months only ({source})"),
    mark(": the SDS can change by {sds}"),
    # SDS and adult height
    mark("no SDS: {why}, and nothing is extrapolated"),
    mark("no SDS: {why}"),
    mark("under 24 months the spread of healthy children{spread} is less than the error of a reading"),
    mark(", {sd} months,"),
    mark("the table ends at {end} for {children}, the child is {age} old"),
    mark("girls"),
    mark("boys"),
    mark(
        "a bone age {sds} SDs from the chronological age is hardly ever seen; check the age, and that the film is this "
        "child's"
    ),
    mark("the assessment is not certain: the 90 % interval reaches {range}"),
    mark("from {low} to {high} (SDS {least} to {most})"),
    mark("delayed"),
    mark("normal"),
    mark("advanced"),
    mark(
        "no adult height: its table is chosen by the difference of bone age and chronological age, and the "
        "chronological age is not known; give --age, or --birth-date and --exam-date"
    ),
    mark("no adult height: outside the table, which is for bone ages of {range}, not {age}"),
    mark("{first} to {last} for {children} of {category} maturation"),
    mark("accelerated"),
    mark("average"),
    mark(
        "the SDs are those of the Brush Foundation's children, who were white and lived in Ohio in the mid-20th century"
        ": others mature at other ages, Hispanic and Asian children over 12 years about one year ahead on average"
    ),
    mark(
        "adult height by Bayley-Pinneau is off by about 4 to 6 cm in practice, too tall where bone age is advanced and "
        "too short where it is delayed"
    ),
    mark("Greulich-Pyle 1959, Brush Foundation SD; centre: chronological age"),
)
