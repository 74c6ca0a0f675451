"""Backbones by the names that timm has itself; other names of timm's lead to a model hub or into a folder."""

from __future__ import annotations

from difflib import get_close_matches

import timm

from ..data.errors import ConfigError


def known_backbone(name: str) -> str:
    """The name, where it is a model of timm, with or without a tag (resnet18.a1_in1k). Raises ConfigError for others.

    timm would fetch or open what a name such as hf-hub:... or local-dir:... says, and a weights file states the name.
    """
    if timm.is_model(name) and ("." not in name or name in timm.list_pretrained()):
        return name
    like = get_close_matches(name, timm.list_models(), 3)
    others = f"did you mean {' or '.join(like)}?" if like else "timm.list_models() in Python names those it has"
    raise ConfigError(f"backbone {name!r} is not known to timm; {others}")
