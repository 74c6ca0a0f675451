"""Percentiles of greys: NumPy's, whatever the depth, shape and number of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.data.greys import percentiles

OF = (0.0, 1.0, 33.3, 50.0, 99.5, 100.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (2,), (7, 9), (64, 65)])
def test_they_are_those_of_numpy(dtype, shape):
    greys = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    np.testing.assert_allclose(percentiles(greys[::-1], OF), np.percentile(greys, OF), rtol=1e-6)
