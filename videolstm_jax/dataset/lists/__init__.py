"""Lists of videos: labels.csv, and the lists that UCF101 and HMDB51 were published with."""
