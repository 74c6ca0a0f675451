"""Trained nets as files: safetensors with a header that describes the net."""
