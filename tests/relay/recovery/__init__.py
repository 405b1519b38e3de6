"""A site whose sockets are put on channels, taken off them and kept waiting, as clients ask for."""
