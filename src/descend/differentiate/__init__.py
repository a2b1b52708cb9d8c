"""Graph to graph: backpropagation, forward mode, a new leading axis, and checks of derivatives."""
