"""The stages of the pipeline, one module each, with `run(cfg) -> path`."""
