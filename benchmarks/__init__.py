"""How fast the installed package boneage reads, beside the machine's limits and rivals: `python -m benchmarks`."""
