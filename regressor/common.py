"""The header that the regressors of a bundle have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..data.errors import WeightsError
from ..weights.bundle import RegressorFile
from ..weights.header import Header, read_header


def common_header(nets: Sequence[RegressorFile]) -> Header:
    """The first net's header, with the input size of the largest; crops are cut at that.

    Raises WeightsError for nets without the label's scale or sex coding, and for nets of other crops, label scales or
    sex coding than the first one's: their readings have no common mean.
    """
    headers = [read_header(net.path, "regressor") for net in nets]
    for net, header in zip(nets, headers, strict=True):
        if header.label_mean is None or header.label_sd is None or header.sex_coding is None:
            raise WeightsError(f"{net.path}: the header lacks label mean, SD or sex coding; train again")
        for name in ("crop_version", "label_mean", "label_sd", "sex_coding"):
            theirs, expected = getattr(header, name), getattr(headers[0], name)
            if theirs != expected:
                raise WeightsError(f"{net.path}: {name} is {theirs}, expected {expected} as in {nets[0].path}")
    return replace(headers[0], input_size=max(header.input_size for header in headers))
