"""The training runs of the course, sooner: the textbook's own functions, with the engine's update of the weights.

Course    notebook 08, "Training with three values"
"""

from functools import partial

from mmf_teach.engine.training_step import make_step
from mmf_teach.training import loop

train = partial(loop.train, make_step=make_step)
