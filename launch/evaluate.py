"""Scores the test list with a trained model, and keeps the attention of every frame."""

from launch import boot

if __name__ == "__main__":
    boot.stage("evaluate")
