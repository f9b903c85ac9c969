"""The first configuration of a user: the questions of `floorline init`, and the file that it writes."""
