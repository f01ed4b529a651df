"""Regions of interest, which the run and its report measure without any page."""
