"""A socket, as the channels of a process know it."""


class Receiver:
    """Keeps what a function reads of each event.

    Args:
        read: takes the encoded event.

    """

    def __init__(self, read, id="receiver", keeps_positions=False):
        self.id = id
        self.keeps_positions = keeps_positions
        self.received = []
        self._read = read

    def deliver(self, encoded):
        self.received.append(self._read(encoded))
        return True

    def overflow(self):
        self.received.append("overflow")
