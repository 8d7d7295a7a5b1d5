"""From videos and lists to batches of numpy arrays; nothing here imports jax."""
