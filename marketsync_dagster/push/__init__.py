"""From what a platform should show to what it acknowledged: plan, guard, send.

No Dagster here, and no knowledge of any platform's wire format.
"""
