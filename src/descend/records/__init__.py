"""The plain records of fits, and the words for their ends."""
