"""Loss against steps, one line a model."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import BLUE, ORANGE, styled

Curve = dict[str, list[float]]               # "step" and "held_out_nats", as a training run records them


def loss_curves(
    curves: dict[str, Curve], colours: dict[str, str], title: str, lowest: float, highest: float,
) -> go.Figure:
    """Held-out losses between `lowest` and `highest` nats per character, a line for each named curve."""
    figure = go.Figure()
    for number, (name, curve) in enumerate(curves.items()):
        figure.add_scatter(
            x=curve["step"], y=curve["held_out_nats"], name=name, mode="lines",
            line={"color": colours[name], "width": 3, "dash": ["solid", "dash", "dot"][number % 3]},
        )
    ends = {name: (curve["held_out_nats"][0], curve["held_out_nats"][-1]) for name, curve in curves.items()}
    falls = "; ".join(f"{name} falls from {first:.3f} to {last:.3f}" for name, (first, last) in ends.items())
    alt = f"Loss curves, in nat per character over {max(c['step'][-1] for c in curves.values()):,} steps. {falls}."
    styled(figure, title, "training step", "loss on held-out text, nat per character", alt)
    return figure.update_yaxes(range=[lowest, highest])


def predicted_curve(xs: list[float], truth: list[float], guess: list[float] | None, x: str, y: str) -> go.Figure:
    """A curve as it is, and as it was guessed, if it was."""
    figure = go.Figure()
    figure.add_scatter(x=xs, y=truth, name="as it is", mode="lines+markers", line={"color": BLUE, "width": 3})
    points = "; ".join(f"{at:g}: {value:.3g}" for at, value in zip(xs, truth, strict=True))
    alt = f"{y} against {x}. As it is: {points}."
    title = "As it is (no guess was committed)"
    if guess is not None:
        figure.add_scatter(
            x=xs, y=guess, name="your guess", mode="lines+markers", line={"color": ORANGE, "width": 3, "dash": "dash"},
            marker={"symbol": "diamond", "size": 9},
        )
        off = sum(abs(a - b) for a, b in zip(truth, guess, strict=True)) / len(xs)
        title = f"Your guess is off by {off:.3g} on average"
        alt += " Your guess: " + "; ".join(f"{at:g}: {value:.3g}" for at, value in zip(xs, guess, strict=True)) + "."
    return styled(figure, title, x, y, alt)
