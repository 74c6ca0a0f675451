"""From a film in any form to a radiograph."""

from __future__ import annotations

from dataclasses import replace

from . import polarity
from .errors import FilmError, as_film_error
from .greys import inverted
from .images import read_image
from .quiet import no_warnings
from .radiograph import Radiograph
from .remark import Remark
from .source import Film, Source, as_source


def read_radiograph(film: Film, *, correct_inversion: bool = True) -> Radiograph:
    """Read a radiograph from a PNG, JPEG, WebP, TIFF, BMP or DICOM file, recognised by content, not by suffix.

    `film`: its path, or another form that `source.as_source` understands. An ordinary picture whose bone is dark is
    inverted (`polarity.bone_is_dark`), unless `correct_inversion` is False; `inverted` and a note say so. A DICOM
    states its own polarity: where bone looks dark nevertheless, the greys stay and a doubt says so. Raises ReadError,
    with file, finding and remedy, for whatever is not one whole picture.
    """
    source = as_source(film)
    try:
        return _read(source, correct_inversion)
    except FilmError:
        raise
    except BaseException as error:  # whatever one film does, it is that film's error
        raise as_film_error(source.name, error) from error


def _read(source: Source, correct_inversion: bool) -> Radiograph:
    if source.is_dicom:
        from .dicom import read_dicom as read  # pydicom is slow to import, and most films are pictures
    else:
        read = read_image
    with no_warnings():
        radiograph = read(source)
    if not correct_inversion or not polarity.bone_is_dark(radiograph.greys):
        return radiograph
    if source.is_dicom:
        doubt = Remark("bone looks dark on a bright background; the grey levels were left as the DICOM states them")
        return replace(radiograph, doubts=(*radiograph.doubts, doubt))
    note = Remark("grey levels were inverted: bone was dark")
    greys = inverted(radiograph.greys)
    return replace(radiograph, greys=greys, inverted=True, notes=(*radiograph.notes, note))
