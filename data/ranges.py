"""Ranges of settings: what cannot work, or would run out of memory or time, is refused at the start."""

from __future__ import annotations

from .text import shortened

EPOCHS = (1, 100_000)
FILMS = (1, 10_000_000)
SEEDS = (0, 2**32 - 1)  # of NumPy and Lightning
RATES = (1e-12, 10)  # of learning
DECAYS = (0, 10)  # of weights
BATCHES = (1, 65_536)  # examples of a head a step
_MOST_VALUES = 64  # of one setting


def refuse_outside(settings: object, **ranges: tuple[float, float]) -> None:
    """Raise ValueError that names the fields with a number outside of its range, or with more than 64 numbers."""
    faults: list[str] = []
    for name, (least, most) in ranges.items():
        value = getattr(settings, name)
        numbers = value if isinstance(value, tuple) else (value,)
        outside = next((number for number in numbers if not least <= number <= most), None)
        if outside is not None:
            faults.append(f"{name} is {shortened(str(outside), 40)}, expected {least:,} to {most:,}")
        elif len(numbers) > _MOST_VALUES:
            faults.append(f"{name} has {len(numbers):,} values, expected at most {_MOST_VALUES}")
    if faults:
        raise ValueError("; ".join(faults))
