"""Plots in the paper's manner: each as data first, then as PNG, PDF or SVG."""
