"""How far the parameters can be trusted: pure mathematics over arrays and callables handed in."""
