"""Fits the VGG of one stream on single frames: --data.stream=rgb|flow."""

from launch import boot

if __name__ == "__main__":
    boot.stage("fit_convnet")
