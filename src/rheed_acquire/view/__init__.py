"""The live view: what is seen of a run while it goes, in a browser, and what is measured of every frame."""
