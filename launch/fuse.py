"""Multiplies the class scores of several runs: --fuse.runs=NAME,NAME --fuse.name=NAME."""

from launch import boot

if __name__ == "__main__":
    boot.stage("fuse")
