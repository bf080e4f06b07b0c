"""Tables as data, and their forms: terminal, Markdown, LaTeX, CSV and JSON."""
