"""The numbers of a process and of the whole site."""
