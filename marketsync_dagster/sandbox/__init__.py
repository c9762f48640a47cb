"""The sandbox: every platform on loopback, over real HTTP, exactly as its wire contract says.

It is a program of its own. It imports nothing else of the package, not even values, and nothing
imports it except the command line, which starts it as a child process: what the clients believe
and what the platforms do must never come from the same line of code.

What belongs here: how the platforms behave, how they misbehave on demand, and what they show.
What does not: anything that a client of theirs would need.
"""
