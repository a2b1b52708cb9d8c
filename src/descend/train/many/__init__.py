"""Many fits of one model, side by side in lanes and on threads."""
