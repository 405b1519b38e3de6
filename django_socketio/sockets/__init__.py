"""The Socket.IO server: clients, their sockets, and events in both directions."""
