"""Names of the inputs and outputs of exported networks, which are written in one place and read in another."""

from __future__ import annotations

PORTS = (("input", "output"), ("h_in", "h_out"), ("c_in", "c_out"))
"""A network's input and output, then a recurrent one's memory: hidden state and, of an LSTM, cell state."""
