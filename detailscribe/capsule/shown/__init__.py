"""What a capsule may show of each kind of file: keys, columns and words that may go in; nothing else does."""
