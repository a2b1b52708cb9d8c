"""Where data comes from: arrays, frames and files; and what is refused before a run begins."""
