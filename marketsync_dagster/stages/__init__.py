"""What happens at each stage of the lineage, outlet by outlet, without Dagster.

Each stage reads the frames of the stage before, writes its own, and says for every outlet what
came of it. The Dagster assets are thin shells around these functions; the command line and the
benchmarks call the same ones.
"""
