"""Stores pool5, fc7 and logits of every frame of one stream: --data.stream=rgb|flow."""

from launch import boot

if __name__ == "__main__":
    boot.stage("extract")
