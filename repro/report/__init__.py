"""One HTML file that holds verdicts, tables, figures and where each of them is from."""
