"""Whether the numbers of a training are finite, and where those of two trainings part."""
