"""Comparisons that can be run: ``python -m benchmarks`` from the project's folder prints them all."""
