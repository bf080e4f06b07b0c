"""Kernels in C for the hot spots, built on first use; without a compiler PyTorch does the work."""
