"""`python -m boneage` is the command `boneage`."""

from .pipeline.cli import main

main(prog_name="boneage")
