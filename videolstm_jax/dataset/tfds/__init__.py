"""Sets of tensorflow-datasets: written as folders of videos, and two builders of our own."""
