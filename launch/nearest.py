"""Scores the test list by nearest neighbour on motion energy: the floor a network must pass."""

from launch import boot

if __name__ == "__main__":
    boot.stage("nearest")
