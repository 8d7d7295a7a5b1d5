"""Signs of damage: how many pictures the bytes of a video owe, and what explains that some lack."""
