"""Flow images of videos: the methods that compute them, stored in files or made when needed."""
