"""Glossary of the field in plain language."""

from collections.abc import Mapping

from estimator.core.phrase import Phrase, say

GLOSSARY: Mapping[str, Phrase] = {
    "FLOP": say("One addition or multiplication of numbers with a point; an amount of work."),
    "FLOP/s": say("FLOPs per second that a device executes; its speed."),
    "utilization": say("Share of the device's peak speed that a program reaches, also MFU."),
    "PUE": say("Energy of the whole data center divided by the energy of its computers."),
    "parameter": say("One adjustable number of a network, learned in training."),
    "token": say("A piece of a word, the unit in which language models read."),
    "inference": say("Using a trained network, as opposed to training it."),
    "quantization": say("Writing numbers with fewer bits."),
    "pruning": say("Removing weights, channels or layers."),
    "distillation": say("Training a small network on the answers of a large one."),
    "rank": say("Number of independent patterns in a matrix."),
    "perplexity": say("Between how many words a model is torn, on average; lower is better."),
    "loss": say("The logarithm of the perplexity, in nat: what training lowers."),
    "checkpoint": say("A stored activation from which others are computed again."),
    "gradient": say("Change of the loss with a parameter of the network."),
    "interval": say("Where the true figure lies in 8 of 10 cases, if we judge ourselves right."),
    "roofline": say("The rule that a device is limited by reading or by computing."),
    "embodied emissions": say("Emissions from making a device, spread over its life."),
    "quantum volume": say("2 to the power of the largest square random circuit that runs well."),
    "Landauer limit": say("The least heat that erasing one bit can give off."),
}
"""Term -> definition."""
