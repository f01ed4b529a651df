"""What stands between a run and every plugin: its time limits, and one error for whatever a plugin does."""
