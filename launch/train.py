"""Trains one recurrent model on stored features: --model.cell=NAME --data.stream=rgb|flow."""

from launch import boot

if __name__ == "__main__":
    boot.stage("train")
