"""Parts of HTTP that decide about safety: header fields and origins."""
