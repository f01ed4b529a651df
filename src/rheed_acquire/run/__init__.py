"""A run: from opening the camera to the report."""
