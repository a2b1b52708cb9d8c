"""What a run shows: reports, pictures, progress. It reads records and trains nothing."""
