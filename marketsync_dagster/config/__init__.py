"""marketsync.yaml as typed, validated settings, and the secrets that it refers to.

Secrets are resolved when a run needs them, never at load: a code location must load without them.
"""
