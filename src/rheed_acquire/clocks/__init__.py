"""When frames were captured, and how fast: the camera's clock beside this computer's."""
