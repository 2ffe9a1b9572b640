"""What the core's ports are in the real world. No adapter imports another."""
