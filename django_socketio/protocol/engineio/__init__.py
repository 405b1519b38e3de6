"""Engine.IO v4: packets, and the state of a session."""
