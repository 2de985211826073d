"""The robot's side: the exported files alone, run by NumPy and ONNX Runtime. Nothing here imports PyTorch or a task."""
