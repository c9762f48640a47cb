"""Shops of the retailer's own: orders come as JSON files in a folder, and what becomes of them is
told as files in another one."""
