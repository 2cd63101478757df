"""What carries out steps: one module for each kind, all of one shape (``performer``)."""
