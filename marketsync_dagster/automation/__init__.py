"""When things run: partitions, jobs, schedules, sensors, and launching from the command line.

What runs is `assets`; how it is done is `stages`.
"""
