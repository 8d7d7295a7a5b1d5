"""Pictures, plots and the page of results.

Modules of topics (`summary`, `curves`, `classes`, `local`, `settings`) share one protocol: each has
`section(...) -> page.Section`, one section of the page, from records and dictionaries that the
stage `report` has read. They read no files. `page` turns the sections into HTML.
"""
