"""One module per platform, with its `BENCH`: it is all that the suite needs to know of it."""
