"""The page of a server that shows all chambers: what is streamed now, and every run there is."""
