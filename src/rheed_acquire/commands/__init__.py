"""The subcommands of ``rheed-acquire``, a module each; ``main(arguments)`` returns the exit code."""
