"""What a notebook imports, on a line or two: checks, predictions, questions, figures, widgets.

A name's module is imported when the name is asked for, so that a notebook waits for nothing that it does not use.
"""

from importlib import import_module

MODULES = {
    "exercise": "check use", "hints": "hint show", "trial": "todo", "folders": "exercises",
    "parsons_problem": "parsons", "prediction": "predict reveal", "quiz": "warm_up exit_ticket",
    "alternative_text": "picture", "progress_bar": "bar", "progress_page": "Panel",

    "figures.bars": "count_bars", "figures.bits_and_error": "bits_and_error", "figures.curves": "loss_curves",
    "figures.design_ladder": "design_ladder", "figures.ladder": "ladder", "figures.letter_rows": "letter_rows",
    "figures.power_lines": "power_lines", "figures.recall_points": "recall_points",
    "figures.register_trace": "register_trace", "figures.roofline": "roofline",
    "figures.rounding_lines": "rounding_lines", "figures.running_sum": "running_sum",
    "figures.size_lines": "size_lines", "figures.small_pictures": "small_pictures",
    "figures.stacks": "stacked_bars", "figures.step_lines": "step_lines", "figures.timeline": "timeline",
    "figures.weight_histogram": "weight_histograms",

    "widgets.bit_planes": "BitPlanes", "widgets.compare": "Compare", "widgets.energy_split": "EnergySplit energy_split",
    "widgets.letter_trace": "LetterTrace", "widgets.moved_bytes": "MovedBytes", "widgets.outlier": "Outlier",
    "widgets.packing_byte": "PackingByte", "widgets.prediction": "Curve", "widgets.stepper": "Stepper",
    "widgets.ternary_dot": "TernaryDot", "widgets.writer": "Writer",
}
MODULE_OF = {name: module for module, names in MODULES.items() for name in names.split()}


def __getattr__(name: str):
    """The name, from the module that it stands in; `style` is a module itself."""
    if name == "style":
        return import_module(f"{__name__}.figures.style")
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULE_OF[name]}"), name)
