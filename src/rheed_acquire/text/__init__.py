"""Text from outside, made fit for wherever it goes."""
