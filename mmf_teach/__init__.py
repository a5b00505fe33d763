"""The textbook of the model. A stranger reads its packages from top to bottom.

    shapes.py     the letters of the axes
    ternary/      trits, their packing and rounding, fixed point
    reference/    the whole model in plain NumPy: the definition that all else is held to
    layers/       the same in torch: `forward` is the equation in the file's head
    model/        the language model, its rivals, text in and out, files
    training/     corpus, schedule, loop, sweep
    cost/         operations, bytes and joules
    engine/       everything compiled: the same numbers, sooner; nothing above imports it
    lesson/       what a notebook imports
    tools/        commands, build, guards, doctor
"""
