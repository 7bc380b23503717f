"""The write side: what changed is marked, and a sweep computes its rollups from the plays."""
