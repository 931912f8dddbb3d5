"""Set-up and data folders; standard library only, for it runs before the dependencies are there."""
