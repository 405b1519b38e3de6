"""Raw WebSockets in views: no Socket.IO, every message as it comes."""
