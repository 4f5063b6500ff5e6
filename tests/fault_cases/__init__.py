"""Seeded cases of foreign input: server replies, batches, images, archives, workbooks, tables, prompts, results."""
