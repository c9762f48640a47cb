"""What runs need: the project of a run, what the run was asked to do, and how frames are recorded.

Dagster shells only; what a project is and how a frame is stored belongs to `stages.project` and
`catalog.frames`. Nothing heavy is imported when these modules are.
"""
