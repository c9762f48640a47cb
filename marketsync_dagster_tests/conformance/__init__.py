"""What every adapter must do, as one suite over all platforms: `make conformance` prints the table.

A platform joins by one module in `benches`. What it declares (`Capabilities`) decides which
behaviours it is asked for; `reasons` has the only reasons for which one is skipped. How to write a
platform from nothing is docs/adding-a-platform.md.
"""
