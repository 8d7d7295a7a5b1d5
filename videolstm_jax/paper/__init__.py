"""The tables and figures of the paper by name: rows, plans, scripts, results and drawings."""
