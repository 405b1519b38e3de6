"""What test modules share: clients, frames, HTTP, programs, servers, waiting."""
