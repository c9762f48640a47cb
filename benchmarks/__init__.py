"""What the README's figures come from: ratios against the bare thing, measured in one run.

`python -m benchmarks [NAME...] [--json] [--runs 5]`. Each benchmark is a module with a function
`measure(runs)`; ours and the baseline stand side by side in it. Nothing here is part of the
product, and the product does not know of it.
"""
