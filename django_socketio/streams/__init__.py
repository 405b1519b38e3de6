"""Server-sent events: streams of the events of channels and audiences, by a view."""
