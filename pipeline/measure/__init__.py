"""How good a reader is: evaluation, robustness, comparison of trainings, and the model card with the results."""
