"""What the service answers, as types from which its OpenAPI description is made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Pair = tuple[float, float]


class ReadingAnswer(BaseModel):
    """A reading with the fields of `boneage predict --json`, and where what is made of it is found."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True, protected_namespaces=())

    id: str | None = Field(description="Name of the reading while it is kept; null for a film that could not be read.")
    results: dict[str, str] = Field(description="Results that can be fetched while it is kept: name and path.")
    file: str
    status: Literal["ok", "review", "rejected", "failed"]
    reasons: list[str] = Field(description="Why the status is not ok; show them unchanged.")
    cause: str | None
    sex: Literal["F", "M"] | None
    bone_age_months: float | None
    interval_90: Pair | None = Field(description="Lower and upper end, months; give it with the number, always.")
    interval_words: str | None
    chronological_age_months: float | None
    chronological_age_source: str | None
    difference_months: float | None
    reference_mean_months: float | None
    reference_sd_months: float | None
    sds: float | None
    sds_interval_90: Pair | None
    sds_reference: str | None
    assessment: Literal["delayed", "normal", "advanced"] | None
    height_cm: float | None
    weight_kg: float | None
    mother_cm: float | None
    father_cm: float | None
    adult_height_cm: float | None = Field(description="By Bayley-Pinneau.")
    adult_height_interval_90: Pair | None
    adult_height_category: Literal["accelerated", "average", "delayed"] | None
    adult_height_rwt_cm: float | None
    adult_height_rwt_interval_90: Pair | None
    adult_height_khamis_roche_cm: float | None
    target_height_cm: float | None
    target_height_range: Pair | None
    hand: Literal["left", "right", "larger", "smaller"] | None
    side: Literal["left", "right"] | None
    hand_box: tuple[int, int, int, int] | None = Field(description="x, y, width and height, pixels of the film.")
    notes: list[str]
    caveats: list[str]
    model: str
    model_sha256: str | None
    boneage_version: str


class JobAnswer(BaseModel):
    """A job: what came of its films so far."""

    id: str
    state: Literal["running", "done", "expired", "cancelled"]
    films: int = Field(description="Files that came.")
    done: int = Field(description="How many of them have been read, or left out.")
    sent: list[str] = Field(description="Names that the client gave the files; reading `film 2` is of the second.")
    left_out: dict[str, int] = Field(description="What is no film, by what it is, counted.")
    readings: list[ReadingAnswer]


class ProblemAnswer(BaseModel):
    """Problem details by RFC 9457."""

    type: str = Field(description="urn:boneage:problem:NAME; it never changes.")
    title: str
    status: int
    detail: str = Field(description="The sentence that the command prints: what is wrong, and what to do.")
    field: str | None = Field(description="The field of the request that `detail` begins with; null for other errors.")
    request_id: str


class VersionAnswer(BaseModel):
    """What reads."""

    model_config = ConfigDict(protected_namespaces=())

    boneage: str
    model: str | None = Field(description="Name of the weights; null before they are loaded.")
    model_sha256: str | None
