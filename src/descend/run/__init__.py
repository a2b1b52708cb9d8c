"""The descent itself: built, driven, stopped, and what its epochs leave."""
