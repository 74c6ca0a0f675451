"""`python -m boneage.pipeline` is the command `boneage`."""

from .cli import main

main(prog_name="boneage")
