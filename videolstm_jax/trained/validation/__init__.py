"""Scores of the validation list: while a model is trained, and to search weights of a fusion."""
