"""Channels: readings of other instruments beside the frames, such as a temperature, a pressure or a flux."""
