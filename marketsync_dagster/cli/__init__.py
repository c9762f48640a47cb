"""The command `marketsync`: thin commands over the cores, their output and their exit codes.

No rule of the business is here; nothing but the operating system and people calls it.
"""
