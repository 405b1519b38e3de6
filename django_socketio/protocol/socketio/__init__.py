"""Socket.IO v5: packets, their attachments and their payloads."""
