"""Cohorts beyond one machine: films read by the workers of a cluster, kept in parts, and made into one table."""
