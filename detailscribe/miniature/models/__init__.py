"""Tiny models of the real classes, and the code that trains them.

Each trained part is a module with `PLAN`, `build()` (the untrained model) and `Loss`; those that start from another
part's weights have `initialise_from(model, other)`. Attribute names of the networks are tensor names in the shipped
weights. `training` is the common loop.
"""
