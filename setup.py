"""Install the folder `boneage/` and the five folders beside it as one package: `data/` becomes `boneage.data`.

Everything else about the project (dependencies, command, tools) stands in pyproject.toml.
"""

from setuptools import setup

LAYERS = ("data", "handseg", "regressor", "pipeline", "weights")
ROOMS = (
    "data.synthetic",
    "handseg.training",
    "regressor.training",
    *(
        f"pipeline.{room}"
        for room in (
            "cli",
            "clinical",
            "cluster",
            "dicom",
            "fhir",
            "growth",
            "measure",
            "node",
            "predict",
            "report",
            "serve",
        )
    ),
)
PACKAGES = (*LAYERS, *ROOMS)

setup(
    packages=["boneage", *(f"boneage.{package}" for package in PACKAGES)],
    package_dir={"boneage": "boneage", **{f"boneage.{layer}": layer for layer in LAYERS}},
    package_data={
        "boneage": ["py.typed"],
        "boneage.data": ["splits/*.csv", "example/*.png"],
        "boneage.pipeline": ["recipes/*.yaml"],
        "boneage.pipeline.clinical": ["*.csv"],
        "boneage.pipeline.measure": ["*.md"],
        "boneage.pipeline.report": ["*.html", "fonts/*.otf", "fonts/OFL.txt", "locale/*/*.po"],
        "boneage.pipeline.serve": ["page/*"],
        "boneage.weights": ["*.txt", "*.yaml", "nets/*.safetensors", "cards/*"],
    },
)
