"""The local Atomscale-compatible server, a process of its own.

A room that can be used alone: nothing here needs cameras or the streamer. Importing this package imports no
part of it, so that the parent of a server (`process`) does not pay for the server's own dependencies.
"""
