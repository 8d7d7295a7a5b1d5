"""Scripts for a checkout: `python -m launch.<command>` is `videolstm <command>`."""
