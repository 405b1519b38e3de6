"""What the measurements of the table, the curves and the relays share."""

from benchmarks.servers import running


class Measurement:
    """Measures servers, and keeps the results.

    Args:
        load: the load generator.
        folder: for the servers' output.
        say: is told how it goes.

    """

    def __init__(self, load, folder, say):
        self._load = load
        self._folder = folder
        self._say = say
        self.results = {}

    def _running(self, server, **options):
        """Start a server; end it when the block ends (see ``servers.running``)."""
        return running(server, self._load.program, self._folder, **options)
