"""Several processes that run one command together: who they are, and what they tell each other."""
