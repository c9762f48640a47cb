"""What exists: the assets of the lineage and their checks, one module per part of it.

Thin shells over `stages`: they choose the outlets, call one stage, and say what came of it. No
rule of the product is decided here, and nothing heavy is imported when these modules are.
"""
