"""Radiographs: reading them, listing them in cohorts, splitting cohorts, augmenting and drawing synthetic ones."""
