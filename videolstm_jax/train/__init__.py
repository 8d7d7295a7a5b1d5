"""Training: losses, optimizers, the step, checkpoints and the loop around them."""
