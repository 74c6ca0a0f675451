"""Predict bone age: from a crop and the child's sex to months."""
