"""How good a reader is: evaluation, robustness, comparison of trainings, and the model card that tells it."""
