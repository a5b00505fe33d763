"""How fast each kernel is, and how fast it could be if reading its weights were all there is to do."""

import plotly.graph_objects as go

from mmf_teach.lesson.figures.style import BLUE, GREY, INK, VERMILION, spelled, styled


def ladder(steps: dict[str, tuple[float, float, bool]], title: str, unit: str) -> go.Figure:
    """For each kernel its speed, the speed of its roof, and whether it multiplies; the first on top."""
    names = list(steps)
    figure = go.Figure()
    for multiplies, said, colour in ((False, "multiplies nowhere", BLUE), (True, "multiplies", VERMILION)):
        mine = [name for name in names if steps[name][2] is multiplies]
        figure.add_bar(
            y=mine, x=[steps[name][0] for name in mine], orientation="h", name=said, marker={"color": colour},
            text=[f" {spelled(steps[name][0])}" for name in mine], textposition="auto", insidetextanchor="end",
            constraintext="none", cliponaxis=False,
        )
    figure.add_scatter(
        y=names, x=[steps[name][1] for name in names], mode="markers", name="its roof: only reading",
        marker={"symbol": "line-ns-open", "size": 18, "color": INK, "line": {"width": 3, "color": INK}},
    )
    said = "; ".join(
        f"{name}: {spelled(speed)}, at most {spelled(roof)}" + (", multiplies" if multiplies else "")
        for name, (speed, roof, multiplies) in steps.items())
    alt = f"Bars on a logarithmic axis, {unit}. {said}."
    styled(figure, title, unit, "", alt, height=170 + 34 * len(names))
    figure.update_layout(margin={"l": 150, "t": 100}, bargap=0.25)
    figure.update_xaxes(type="log", dtick=1, gridcolor=GREY)
    return figure.update_yaxes(categoryorder="array", categoryarray=names[::-1])
