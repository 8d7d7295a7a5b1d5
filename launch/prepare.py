"""Lists the videos, checks that every one decodes, and stores TV-L1 flow images."""

from launch import boot

if __name__ == "__main__":
    boot.stage("prepare")
