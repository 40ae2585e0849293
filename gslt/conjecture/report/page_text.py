"""What the page says of the test itself: question, arms, rule, limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.conjecture.statistics.endpoints import DENSE, ENDPOINTS, FROZEN
from gslt.studies.report.provenance import graph_text
from gslt.studies.study import Study

#: What each arm is.
ARM_WORDS = {
    "trained": "the weights are trained, none is masked",
    "weak ticket": "the weights are trained under a random mask of the tickets' sparsity",
    "random mask": "random weights under a random mask: nothing is searched or trained",
    DENSE: "a ticket, searched among all random weights",
    "sparse": "a ticket in a source of which a part was pruned at random before the search",
    FROZEN: "a ticket in a source of which the fraction F was decided at random before the search: "
    "pruned, or locked (always kept)",
}


def question() -> Iterator[str]:
    """What is asked, and why."""
    paper = '<a href="https://arxiv.org/abs/2402.14029">arXiv 2402.14029</a>'
    yield (
        '<section class="study" id="question"><h2>Question</h2>'
        f"<p>Otsuka et al. (2024, {paper}) find subnetworks (tickets) of random graph neural "
        "networks and let the search decide only a part of the weights: the rest is frozen, pruned "
        "or locked at random beforehand. A ticket found so in a deep GIN classified better than "
        "the GIN with trained weights. The authors conjecture that freezing counters "
        "over-smoothing, and does so more strongly than a search in a dense source. They report "
        "accuracies and sizes; how smooth the representations are, the paper did not measure.</p>"
        "<p>This test measures it: it compares tickets of frozen and of dense sources that share "
        "random weights, sparsity, scale and training, and differ in what is frozen; and it judges "
        "the difference by a rule that was fixed beforehand.</p></section>"
    )


def protocol_section(findings: Findings) -> Iterator[str]:
    """Arms, endpoints and the rule of the verdict."""
    plan = findings.evidence.plan
    yield '<section class="study" id="protocol"><h2>Arms and protocol</h2><dl class="arms">'
    for arm in dict.fromkeys(name for study in plan.studies for name in study.arms):
        yield f"<dt>{escape(arm)}</dt><dd>{escape(_arm(arm, plan.studies))}</dd>"
    yield "</dl><ul>"
    for study in plan.studies:
        yield f"<li>{escape(_study(study))}</li>"
    yield (
        "</ul><p>Every run of a seed shares its random weights and its data with the other arms. "
        "All tickets keep the same share of the weights and are scaled alike, since scale alone "
        "changes smoothing. Measured is the representation after norm and activation, at the epoch "
        "of the best validation accuracy, with the Laplacian of the network's own propagation.</p>"
    )
    yield f"<p>{_endpoints()}</p><p>{_rule(findings)}</p></section>"


def _arm(arm: str, studies: Sequence[Study]) -> str:
    settings = next(study.arms[arm] for study in studies if arm in study.arms)
    shown = ", ".join(f"{name.replace('_', ' ')} {_shown(v)}" for name, v in settings.items())
    left_out = [study.name for study in studies if arm not in study.arms]
    where = f"; not in {', '.join(left_out)}" if left_out else ""
    return f"{ARM_WORDS.get(arm, 'see its settings')} ({shown}{where})"


def _shown(value: Any) -> str:
    return " / ".join(map(str, value)) if isinstance(value, list) else str(value)


def _study(study: Study) -> str:
    settings: Mapping[str, Any] = study.settings
    norm = "with" if settings.get("batch_norm", True) else "without"
    gain = " (layers scaled to unit gain)" if settings.get("unit_gain") else ""
    return (
        f"{study.name}: {_shown(settings['dataset'])}; {settings['architecture'].upper()}, "
        f"{norm} batch norm{gain}, {_shown(settings['num_layers'])} layers, width "
        f"{settings['hidden_channels']}, {settings['epochs']} epochs, learning rate "
        f"{settings['lr']} of the tickets; {len(study.seed_list)} seeds; {len(study.runs)} runs."
    )


def _endpoints() -> str:
    primary, *others = ENDPOINTS.values()
    return (
        f"Primary endpoint: {escape(primary)} at the last hidden layer, log of "
        "tr(YᵀLY) / Σ ω_i ‖y_i‖², where L is the Laplacian of the network's own propagation, Y is "
        "the representation without its part on which L vanishes (a vector for each connected "
        "component), and ω is the degree for GIN and GraphSAGE and 1 for GCN. It does not depend "
        "on the scale of weights or norms; the smaller, the smoother. Others, which decide "
        "nothing: "
        f"{escape('; '.join(others))}."
    )


def _rule(findings: Findings) -> str:
    criteria = findings.evidence.plan.criteria
    factor = math.exp(criteria.smallest_effect)
    return (
        "Rule: a depth is <em>supported</em> where the log quotient rises with the freezing ratio "
        "and lies above that of the dense source, both by two-sided sign-flip tests over seeds, "
        f"Holm-corrected over the depths, at {criteria.alpha:g}; <em>contradicted</em> where both "
        "point the other way. It is <em>no meaningful difference</em> where two one-sided tests "
        "show at every ratio that the difference is smaller than "
        f"{criteria.smallest_effect:.3g}, a factor of {factor:.3g}; this wins over the two others. "
        "Otherwise it is <em>undecided</em>, with the number of seeds that it would need. Over all "
        "depths, the numbers of a seed are averaged first and tested once; where single depths are "
        "supported and others contradicted, or one is either and the average is decided otherwise, "
        "the outcome is <em>mixed</em>. A run that collapsed totally ranks below every number."
    )


def limits_section(findings: Findings) -> Iterator[str]:
    """What the test does not say."""
    evidence = findings.evidence
    plan = evidence.plan
    graphs = "; ".join(dict.fromkeys(graph_text(record) for record in evidence.records))
    widths = {_shown(study.settings["hidden_channels"]) for study in plan.studies}
    items = [
        f"It is about {plan.architecture.upper()} of width {', '.join(sorted(widths))} at one "
        f"sparsity, with one initialisation and one recipe, on these graphs: {graphs}.",
        "Seeds vary the weights, the frozen pattern and the search, not the graph and its split: "
        "intervals and p-values are about other seeds on the same data. The tests take the numbers "
        "per seed for symmetric about their mean under the hypothesis.",
        "The error rate holds for one look at the complete test, not for a verdict that was picked "
        "among reports of a part of it.",
        "How much is pruned and how much is locked follows from freezing ratio and sparsity; other "
        "divisions are not tested.",
        "Layers differ in how many of their weights are frozen and kept: what is frozen is "
        "allocated to the layers by edges per layer (EPL), what is kept by one ranking of all "
        "scores. In a shallow network on a graph with many features that is mostly the first "
        "layer; other allocations are not tested.",
        "The smallest effect that matters is a convention; the table of other criteria shows what "
        "depends on it.",
        "Every smoothness is one of the last hidden layer. More smoothing is not worse by itself: "
        "on graphs whose neighbours are alike some of it is what the network is for.",
        "Accuracy and smoothness are associated, or not; what causes what is not tested.",
        "The rates of the appendix hold for the synthetic runs described there. Real runs may "
        "spread otherwise, and then have other power.",
    ]
    if names := evidence.synthetic:
        items.insert(0, f"Synthetic graph, nothing about real data: {', '.join(names)}.")
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    yield f'<section class="study" id="limits"><h2>Limits</h2><ul>{listed}</ul></section>'
