"""The three families of errors a user can meet: settings, files and videos."""


class ConfigError(ValueError):
    """A setting that cannot be used: the message names the field, the value and what was expected."""


class FileError(ValueError):
    """A file that cannot be used: the message names it, the field, its content and what was
    expected.
    """


class VideoError(ValueError):
    """A video or a frame that cannot be used: the message names it, the damage and what was
    expected.
    """
