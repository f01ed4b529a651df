"""A run as it lies in a folder: its layout, the shard with its index, writing and reading."""
