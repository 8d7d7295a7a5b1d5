"""Pictures, tables and one page, made from arrays; nothing here reads a file of the walk."""
