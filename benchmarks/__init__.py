"""How fast the reader is, beside what the machine can do and what people would use instead: `python -m benchmarks`.

It measures boneage as installed and is no part of it.
"""
