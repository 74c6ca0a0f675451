"""How fast the reader is, against what the machine can do and what people would use instead: `python -m benchmarks`.

It measures the installed package boneage and is not part of it.
"""
