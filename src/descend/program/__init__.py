"""From what is asked to one program: graphs of a descent, in a list of passes."""
