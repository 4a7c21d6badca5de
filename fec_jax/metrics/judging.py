"""Classifiers and feature networks of an evaluation: their independence, accuracy, and part of a report."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fec_jax.data.source import Source, load_to_fit
from fec_jax.metrics import attributes
from fec_jax.metrics.attributes import Classifier
from fec_jax.metrics.backbones import BACKBONES, Features
from fec_jax.metrics.evaluation import Bench, summary

KINDS = ("flipped", "ignored", "granted", "kept", "ceiling")


def classifiers(train: Source, say: Callable[[str], None], skipped: dict[str, str]) -> dict[str, Classifier]:
    """One for every backbone, by suffix, fitted to the attributes of `train`; none if it has none.

    Attributes of which too few photos have one of the values are left out, with the reason in `skipped`.
    """
    if not train.attribute_names:
        return {}
    photos, labels = load_to_fit(train)
    rare = attributes.too_few(labels, train.attribute_names)
    skipped |= {f"edits of {name}": why for name, why in rare.items()}
    columns = [i for i, name in enumerate(train.attribute_names) if name not in rare]
    names = [train.attribute_names[i] for i in columns]
    if not names:
        return {}
    titles = " and ".join(backbone.title for backbone in BACKBONES.values())
    say(f"classifiers: learning {len(names)} attributes from {len(photos)} photos, by {titles}")
    return {backbone: attributes.fit(photos, labels[:, columns], names, backbone) for backbone in BACKBONES}


def features(inception: Path | None) -> tuple[dict[str, Features], dict[str, Any]]:
    """Feature functions by the suffix of the metrics' names, and what the protocol says of their networks."""
    functions: dict[str, Features] = {name: backbone.features for name, backbone in BACKBONES.items()}
    networks: dict[str, Any] = {name: {"sha256": of.sha256, "size": of.size} for name, of in BACKBONES.items()}
    if inception is not None:
        from fec_jax.metrics.inception import WIDTH, Inception

        network = Inception.load(inception)
        functions[""] = network.features
        networks["inception"] = {"sha256": network.sha256, "size": WIDTH}
    return functions, networks


def describe(bench: Bench, loss_networks: Collection[str]) -> dict[str, Any]:
    """For `report.json`: {suffix: network, whether it is independent, its classifier's hash and ceiling}.

    The ceiling is its agreement with the labels of the photos themselves, by attribute, as `evaluation.summary`.
    """
    found = {}
    for suffix, backbone in BACKBONES.items():
        about: dict[str, Any] = {"network": backbone.network, "independent": backbone.independent(loss_networks)}
        if suffix in bench.judges.classifiers:
            names, columns = list(bench.judged), list(bench.judged.values())
            right = (bench.real_shows[suffix] == (bench.labels[:, columns] == 1)).astype(np.float64)
            about["classifier_sha256"] = bench.judges.classifiers[suffix].sha256
            about["ceiling"] = {name: summary(right[:, i]) for i, name in enumerate(names)}
            about["ceiling"]["mean"] = summary(right.mean(axis=1))
        found[suffix] = about
    return found


def verdict(about: Mapping[str, Any]) -> str:
    """Whether a classifier of `describe` is independent, in words."""
    if about["independent"]:
        return f"independent: yes (no loss of these weights used {about['network']})"
    return f"independent: no (a loss of these weights used {about['network']})"


def tables(masks: str, names: Sequence[str], report: Mapping[str, Any]) -> list[str]:
    """Markdown: edit success by each classifier under a mask set."""
    results, controls = report["results"][masks], report["controls"]
    if not any("ceiling" in about for about in report["judges"].values()):  # there are no classifiers
        return []
    lines = [
        f"Edit success under the masks `{masks}`: percent of the completions in which a classifier on a published",
        "network's features sees the wanted value. *Ceiling*: its accuracy on the photos. *Ignored*: the rate",
        "if the network ignored the flip. *Granted*: with the hole taken from the most similar real face that has the",
        "wanted value. Outside the hole no flip can change anything.",
        "",
    ]
    for suffix, about in report["judges"].items():
        real, granted = (controls.get(name, {}).get(masks) or {} for name in ("real", "granted"))
        lines += [f"By {BACKBONES[suffix].title}, {verdict(about)}:", ""]
        lines += ["| attribute | " + " | ".join(KINDS) + " | hole changed by the flip (0..1) |", "|---" * 7 + "|"]
        for name in (*names, "mean"):
            flipped, kept = f"attribute_flipped_{suffix}/{name}", f"attribute_kept_{suffix}/{name}"
            shares = (results.get(flipped), real.get(flipped), granted.get(flipped), results.get(kept))
            cells = [_percent(figure) for figure in (*shares, about["ceiling"].get(name))]
            change = results.get(f"flip_change/{name}", {}).get("mean")
            cells.append("-" if change is None else f"{change:.4f}")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def notes(report: Mapping[str, Any]) -> list[str]:
    """Markdown: which figures are by which network."""
    lines = []
    for suffix, about in report["judges"].items():
        lines.append(
            f"- {BACKBONES[suffix].title} (`..._{suffix}`{', `lpips`' * (suffix == 'vgg16')}): {verdict(about)}"
        )
    return lines


def _percent(figure: Mapping[str, Any] | None) -> str:
    return "-" if not figure or figure["mean"] is None else f"{100 * figure['mean']:.0f}"
