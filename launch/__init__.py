"""Launchers: one short file a stage, `python -m launch.<stage> --preset=NAME
--section.field=value`.
"""
