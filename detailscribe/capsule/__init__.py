"""Sealed capsule of a study: one zip that others can check, replay, compare and publish."""
