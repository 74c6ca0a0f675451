"""Training the hand segmenter: pseudo-labels, examples, rounds of training, the orientation head."""
