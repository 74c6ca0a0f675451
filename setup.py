"""Install the five folders as the namespace package `boneage`: `data/` becomes `boneage.data`, and so on.

Everything else about the project (dependencies, command, tools) stands in pyproject.toml.
"""

from setuptools import setup

LAYERS = ("data", "handseg", "regressor", "pipeline", "weights")

setup(
    packages=[f"boneage.{layer}" for layer in LAYERS],
    package_dir={f"boneage.{layer}": layer for layer in LAYERS},
    package_data={
        "boneage.data": ["splits/*.csv", "example/*.png"],
        "boneage.weights": ["*.yaml", "*/*.safetensors", "*/*.md"],
    },
)
