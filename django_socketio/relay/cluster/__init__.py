"""The parts of the Redis relay that differ in a Redis Cluster."""
