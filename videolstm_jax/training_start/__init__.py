"""What one training of a recurrent model reads, and the parameters that it starts from."""
