"""What a camera is, and what the backends of cameras share."""
