"""Turns a run's attention into boxes and tubes, and measures them where there are true boxes."""

from launch import boot

if __name__ == "__main__":
    boot.stage("localize")
