"""Cells of the grid on several processes or machines: what is sent, run, checked and entered into DVC."""
