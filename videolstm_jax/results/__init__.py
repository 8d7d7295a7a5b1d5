"""What stages left in a work folder: it is read back for pages, films, pools and fusions."""
