"""Engine.IO over WebSocket and HTTP long-polling, on gevent. Knows nothing of Django or events."""
