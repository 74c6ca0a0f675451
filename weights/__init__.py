"""Trained nets as files: safetensors with a header that says all there is to know."""
