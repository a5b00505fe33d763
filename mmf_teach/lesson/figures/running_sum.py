"""A ternary dot product as a walk: each input adds, is skipped, or subtracts, and the sum goes on from there."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import INK, MINUS, PLUS, ZERO, spelled, styled

STEPS = {                                    # what each trit does: name, colour, mark
    1: ("add", PLUS, "triangle-up"), -1: ("subtract", MINUS, "triangle-down"), 0: ("skip", ZERO, "circle"),
}
Line = tuple[list[int], str, str]            # sums, colour, dash


def running_sum(trits: list[int], sums: list[int], others: dict[str, Line], title: str) -> go.Figure:
    """`sums[i]` is the sum after input i; `others` are sums to compare with, by name, drawn as lines."""
    order = list(range(1, len(trits) + 1))
    figure = go.Figure()
    for name, (values, colour, dash) in others.items():
        width = 9 if dash == "solid" else 3              # a solid one lies under the walk and shows on both sides
        line = {"color": colour, "width": width, "dash": dash}
        figure.add_scatter(x=order, y=values, name=name, mode="lines", line=line)
    figure.add_scatter(
        x=[0, *order], y=[0, *sums], mode="lines", line={"color": INK, "width": 1}, showlegend=False, hoverinfo="skip",
    )
    size = 13 if len(trits) <= 20 else 7
    for trit, (name, colour, symbol) in STEPS.items():
        at = [i for i, each in enumerate(trits) if each == trit]
        figure.add_scatter(
            x=[i + 1 for i in at], y=[sums[i] for i in at], name=name, mode="markers",
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"color": INK, "width": 0.5}},
        )
    counts = ", ".join(f"{name} {sum(each == trit for each in trits)}" for trit, (name, *_) in STEPS.items())
    steps = f" The sums: {', '.join(map(str, sums))}." if len(trits) <= 20 else ""
    ends = "".join(f" {name} ends at {spelled(values[-1])}." for name, (values, *_) in others.items())
    alt = f"Running sum over {len(trits)} inputs: {counts}; it ends at {spelled(sums[-1])}.{steps}{ends}"
    styled(figure, title, "inputs taken so far", "running sum", alt, height=420)
    figure.update_layout(margin_t=110)
    return figure.update_xaxes(dtick=1 if len(trits) <= 20 else None, rangemode="tozero")
