"""For backends of GenICam cameras: settings written to GenApi nodes, read back, refusals explained."""
