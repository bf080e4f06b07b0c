"""IRLLRec and its relatives: data, text, graphs, losses, backbones, objectives, training, evaluation.

A library without a command line, without DVC and without paths of its own; the harness is
the package ``repro``.
"""
