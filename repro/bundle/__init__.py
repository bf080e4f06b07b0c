"""One archive for reviewers, and its check on a machine that has nothing but the installed package."""
