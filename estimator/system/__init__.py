"""Environment setup and data folders; standard library only, as it runs before any install."""
