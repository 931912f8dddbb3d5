"""The front door: the questions that people come with."""
