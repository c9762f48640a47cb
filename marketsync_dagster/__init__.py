"""MarketSync: makes every marketplace show what the tills say, outlet by outlet, and proves it."""

__version__ = "0.1.0"
