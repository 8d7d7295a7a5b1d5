"""One module for each command that has flags of its own; see `cli.command_table` for all."""
