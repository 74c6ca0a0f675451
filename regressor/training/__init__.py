"""Training the regressor: crops with labels, one training step, checkpoints, distillation."""
