"""Claims as executable hypotheses: what is tested, on which cells, and what comes out."""
