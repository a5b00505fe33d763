"""The whole model once in plain NumPy, one file a layer: the definition that everything else is held to.

Read in this order
    ternary_matmul; the same by masks, lookup tables and popcount: masked_, lookup_table_, popcount_product
    rms_norm, bit_linear, activation_functions
    mlgru, mlgru_scan, mlgru_released, glu, block, language_model
    attention, sliding_attention                    what the MLGRU replaces
    straight_through, training                      how it learns
    integer_model                                   the same model in whole numbers, for a machine
"""
