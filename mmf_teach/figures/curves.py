"""Loss against steps, one line a model."""

import plotly.graph_objects as go

from mmf_teach.figures.style import styled

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
