"""Notes which folders are listed one after another, each of which is a request to a bucket."""

from etils import epath


def noted_walks(monkeypatch):
    """The folders that walks list from now on; the list grows as they do."""
    kind = type(epath.Path())
    honest = kind.walk
    listed = []

    def noted(path):
        for level in honest(path):
            listed.append(level[0])
            yield level

    monkeypatch.setattr(kind, "walk", noted)
    return listed
