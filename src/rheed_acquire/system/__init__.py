"""What touches the operating system: memory, processes and threads, files, the terminal, addresses."""
