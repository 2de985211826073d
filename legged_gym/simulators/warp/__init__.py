"""What only the back-end for NVIDIA GPUs needs: kernels, solver, contacts with the ground."""
