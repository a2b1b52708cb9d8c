"""What a run leaves behind: the record, its errors, its file, and what it can be asked."""
