"""Both stages chained, for training and inference, and the command line."""
