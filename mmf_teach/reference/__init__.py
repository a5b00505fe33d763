"""The whole model once in plain NumPy, one file a layer: the definition that everything else is held to."""
