"""`python -m videolstm_jax.cli COMMAND`, for where the command `videolstm` is not on the path."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main()
