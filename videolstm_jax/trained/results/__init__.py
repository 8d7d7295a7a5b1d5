"""The results in a work folder, measured, and read back for pages, pictures and pools."""
