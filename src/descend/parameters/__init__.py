"""What a parameter may be: bounded, fixed, tied to others, moved on another scale.

- `declare`: `Parameter`, and the short forms of `start=`.
- `reading`: the options `fixed`, `bounds` and `ties`, checked.
- `scales`: the logarithmic and the logistic scale.
- `space`: from what the method moves to what the model sees.
"""
