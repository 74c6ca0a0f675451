"""Install the five folders and their rooms as the namespace package `boneage`: `data/` becomes `boneage.data`.

Everything else about the project (dependencies, command, tools) stands in pyproject.toml.
"""

from setuptools import setup

LAYERS = ("data", "handseg", "regressor", "pipeline", "weights")
ROOMS = ("cohort", "dicom", "measure", "report")  # of the pipeline

setup(
    packages=[f"boneage.{layer}" for layer in LAYERS] + [f"boneage.pipeline.{room}" for room in ROOMS],
    package_dir={f"boneage.{layer}": layer for layer in LAYERS},
    package_data={
        "boneage.data": ["splits/*.csv", "tables/*.csv", "example/*.png"],
        "boneage.pipeline.report": ["*.html", "fonts/*.otf", "fonts/OFL.txt", "locale/*/*.po"],
        "boneage.weights": ["*.yaml", "*/*.safetensors", "*/*.md", "*/*.png"],
    },
)
