"""Frames: their pixels, the ring and its memory, the accumulator that makes chunks of them."""
