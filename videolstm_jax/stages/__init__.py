"""The walk: one file a stage, each `run(cfg) -> path`."""
