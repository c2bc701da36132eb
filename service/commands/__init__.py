"""What the commands do, below the command line: one module a command."""
