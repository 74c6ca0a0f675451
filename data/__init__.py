"""Read radiographs, list and split cohorts, augment radiographs and draw synthetic ones."""
