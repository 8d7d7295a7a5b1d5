"""The command line: `videolstm COMMAND --preset=NAME --section.field=value`."""
