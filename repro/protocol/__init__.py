"""The protocol switchboard: does a claim hold under other ways of measuring the same models?"""
