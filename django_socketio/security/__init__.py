"""Access: origins, permissions, logins and rates."""
