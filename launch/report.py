"""Draws everything in the work folder on one page."""

from launch import boot

if __name__ == "__main__":
    boot.stage("report")
