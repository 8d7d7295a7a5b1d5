"""The three families of errors a user can meet: settings, files and videos.

Every message names what cannot be used, its content, and what was expected. They are ValueErrors,
so that code that does not import this project can catch them. `Diverged`, of a training whose loss
is not finite, is in none of them: it names a step, and no input that is known to be wrong.
"""


class ConfigError(ValueError):
    """A setting that cannot be used; the message names the field."""


class FileError(ValueError):
    """A file that cannot be used; the message names it, and the line or the field."""


class VideoError(ValueError):
    """A video or a frame that cannot be used; the message names it and the damage."""
