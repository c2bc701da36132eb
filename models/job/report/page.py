"""A job's report as one self-contained HTML page: no script, no file beside it, nothing fetched.

In:   the numbers and pictures of a report. Out: text of the page.
Must not know: folders.
"""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from models.job.report import charts, tables
from models.job.report.collect import DISTANCES
from models.job.report.examples import Example
from models.job.report.pasted import PastedPhoto
from models.job.report.pictures import Pictures
from models.job.report.words import choose_headline_arm, explain_decision, name_arm, tell_points

_PAGE: Final = "page.html"
_TIGHT: Final = "_tight"


def build_page(report: Mapping[str, Any], pictures: Pictures) -> str:
    """Lay a report out.

    Args:
        report: as collect_numbers returns it.
        pictures: as collect_pictures returns them.

    Returns:
        HTML.
    """
    template = Template(files("models.job.report").joinpath(_PAGE).read_text(encoding="utf-8"))
    return template.substitute(
        class_name=escape(report["class_name"]),
        decision=_decision(report),
        facts=_facts(report),
        arms=_arms(report),
        val=_val(report),
        confusion=_confusion(report),
        curves=_curves(report),
        samples=_figures([picture.to_figure() for picture in pictures.samples]) + pictures.neighbours.to_figure(),
        screening=_screening(report, pictures),
        cutouts=_cutouts(report, pictures),
        pasted=_pasted(report, pictures),
    )


def _decision(report: Mapping[str, Any]) -> str:
    decision, arm = report["decision"], choose_headline_arm(report)
    gain = report["arms"][arm]["gain"]
    edges = "no interval" if gain["low"] is None else f"{tell_points(gain['low'])} to {tell_points(gain['high'])}"
    promoted = decision["promoted_arm"]
    cards = [
        (name_arm(promoted) if promoted else "incumbent", "serves from now on" if promoted else "stays", ""),
        (tell_points(gain["value"]), f"points of {decision['metric']}, {name_arm(arm)}", edges),
        (str(decision["test_photos"]), "test photos, opened once", ""),
        (str(len(report["detector"]["seeds"])), "detectors per arm, equal seeds", ""),
        (f"{decision['null_promotion_rate']:.1%}", "promoted when arms are shuffled; 5 % at most is wanted", ""),
    ]
    shown = "".join(
        f'<div class="card"><b>{escape(value)}</b><small>{escape(beside)}</small><span>{escape(label)}</span></div>'
        for value, label, beside in cards
    )
    headline, *reasons = decision["reasons"]
    told = "".join(f"<p>{escape(sentence)}</p>" for sentence in explain_decision(report))
    why = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    mark = "promoted" if promoted else "kept"
    return (
        f'<section class="decision {mark}"><p class="headline">{escape(headline)}</p>{told}</section>'
        f'<div class="cards">{shown}</div><ul>{why}</ul>'
    )


def _facts(report: Mapping[str, Any]) -> str:
    data, crops, detector, placement = (report[name] for name in ("data", "crops", "detector", "placement"))
    instances = {
        split: ", ".join(f"{count} {label}" for label, count in sorted(own.items()))
        for split, own in data["instances"].items()
    }
    turned = data["turned"]
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(crops["left_out"].items()) if count)
    start = (
        f"{detector['start_epochs']} epochs on the photos alone for all of a seed, then "
        if detector["start_epochs"]
        else ""
    )
    rows = [
        *((f"Photos, {split}", f"{count}: {instances[split] or 'nothing'}") for split, count in data["photos"].items()),
        ("Turned upright", f"{turned['photos']} of {turned['of']} doubtful photos" if turned else "none"),
        (
            "Crops",
            f"{crops['crops']['train']} of train, {crops['crops']['val']} of val, {crops['canvas_px']} px, "
            f"transparency: {crops['alpha']}; left out: {left_out or 'none'}",
        ),
        (
            "Places",
            f"{placement['places']}, density {placement['density']}, {placement['overlap']} at most "
            f"{placement['max_overlap']:g}",
        ),
        (
            "Detector",
            f"{detector['cfg']}, {start}{detector['epochs']} epochs of the baseline, as many iterations of every "
            f"arm, {detector['input_px']} px, batch "
            f"{detector['batch_size']}, seeds {', '.join(map(str, detector['seeds']))}",
        ),
    ]
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows) + "</dl>"


def _arms(report: Mapping[str, Any]) -> str:
    gains = {arm: told["gain"] for arm, told in report["arms"].items() if told["gain"]}
    decision = report["decision"]
    drawn = charts.draw_gains(gains, decision["metric"], decision["promoted_arm"])
    controls = tables.tabulate_controls(report)
    beyond = f"<h3>Beyond the controls</h3>{controls}" if controls else ""
    return (
        tables.tabulate_arms(report)
        + _figures(
            [_figure(drawn, "Gain over the baseline with its 95 % interval; dots are means over seeds")], "plots"
        )
        + f"<h3>Other classes</h3>{tables.tabulate_classes(report)}{beyond}"
    )


def _val(report: Mapping[str, Any]) -> str:
    by_ratio = {arm: told["val_ap_50_by_ratio"] for arm, told in report["arms"].items() if told["val_ap_50_by_ratio"]}
    drawn = charts.draw_val_by_ratio(by_ratio, report["detector"]["baseline_val_ap_50"], report["class_name"])
    return _figures([_figure(drawn, "Means over seeds; the highest of each arm went to the test")], "plots")


def _confusion(report: Mapping[str, Any]) -> str:
    names = report["data"]["class_names"]
    shown = (
        f"<div><h3>{escape(name_arm(arm))}</h3>{tables.tabulate_confusion(told['confusion'], names)}</div>"
        for arm, told in report["arms"].items()
    )
    return f'<div class="pairs">{"".join(shown)}</div>'


def _curves(report: Mapping[str, Any]) -> str:
    parts = [tables.tabulate_generation(report["generation"])]
    if len(report["generation"]) == 1:
        parts.append("<p>No second mapping network was trained, so that there is nothing to compare with.</p>")
    if not any(report[kind] for kind in DISTANCES):
        parts.append("<p>Nothing was measured: the job was given no network to compute features with.</p>")
        return "".join(parts)
    figures = []
    for measure, curves in sorted((own for kind in DISTANCES for own in report[kind].items()), key=_curve_order):
        which = "instances alone" if measure.endswith(_TIGHT) else "whole canvases"
        drawn = charts.draw_curves(curves, measure.split("_")[0].upper())
        figures.append(_figure(drawn, f"{which}: {measure}"))
    both = {measure: own for kind in DISTANCES for measure, own in report[kind].items()}
    return "".join((*parts, _figures(figures), tables.tabulate_curves(both)))


def _curve_order(curve: tuple[str, object]) -> tuple[bool, str]:
    return curve[0].endswith(_TIGHT), curve[0]


def _screening(report: Mapping[str, Any], pictures: Pictures) -> str:
    own = report["screening"]
    labelled = own["labelled"]
    kept = f"<p>{escape(own['rule'])} decides: {own['kept']} of {own['instances']} generated instances are kept.</p>"
    measured = (
        f"<p>Errors are measured on {labelled['good']} real crops of val, and on the same crops broken on purpose in "
        f"{len(labelled['kinds'])} ways.</p>"
    )
    examples = "".join(
        f"<h3>{kind.capitalize()} by {escape(own['rule'])}</h3>{_examples(shown)}"
        for kind, shown in pictures.examples.items()
    )
    sheets = _figures([picture.to_figure() for picture in pictures.rejected.values()])
    legend = (
        "<p>Below each instance how often each value of red, green and blue occurs in its content; heights are square "
        "roots, the dashed line is at 240.</p>"
    )
    return (
        kept
        + measured
        + tables.tabulate_screening(own)
        + f"<h3>Broken crops that each rule keeps, by what breaks them</h3>{tables.tabulate_breakages(own)}"
        + legend
        + examples
        + (f"<h3>What each rule rejects</h3>{sheets}" if pictures.rejected else "")
    )


def _examples(examples: Sequence[Example]) -> str:
    if not examples:
        return "<p>None.</p>"
    shown = (
        f'<figure class="example">{example.picture.to_html()}{charts.draw_histogram(example.histogram)}'
        f"<figcaption>{escape(example.picture.caption)}</figcaption></figure>"
        for example in examples
    )
    return f'<div class="figures">{"".join(shown)}</div>'


def _cutouts(report: Mapping[str, Any], pictures: Pictures) -> str:
    rows = []
    for own in report["extraction"].values():
        for source in ("generated", "real"):
            told = own[source]
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(told["left_out"].items()))
            left_out = f"; left out: {reasons}" if reasons else ""
            rows.append(f"<li>{escape(own['mode'])}, {source}: {told['cut_out']} of {told['images']}"
                        f"{escape(left_out)}</li>")  # fmt: skip
    has_alpha = any(own["mode"] == "alpha" for own in report["extraction"].values())
    only = "" if has_alpha else "<p>The GAN learned no transparency: there are Otsu's alone.</p>"
    return f"<ul>{''.join(rows)}</ul>{only}" + _figures([picture.to_figure() for picture in pictures.cutouts])


def _pasted(report: Mapping[str, Any], pictures: Pictures) -> str:
    parts = []
    for arm, own in report["augmented"].items():
        shown = pictures.pasted.get(arm)
        hidden = f"{own['photos']} photos, {own['boxes_hidden']} boxes hidden by a paste and dropped"
        parts.append(f"<h3>{escape(name_arm(arm))}</h3>")
        parts.append(f"<p>{hidden}; blend: {escape(own['blend'])}.</p>" if shown else "<p>Nothing is pasted.</p>")
        parts.append(_figures([_pasted_photo(own) for own in shown], "pasted") if shown else "")
    return "".join(parts)


def _pasted_photo(pasted: PastedPhoto) -> str:
    caption = f"{escape(pasted.whole.caption)}<br>{escape(pasted.close.caption)}"
    return f"<figure>{pasted.whole.to_html()}{pasted.close.to_html()}<figcaption>{caption}</figcaption></figure>"


def _figure(drawn: str, caption: str) -> str:
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def _figures(figures: Sequence[str], kind: str = "") -> str:
    return f'<div class="{f"figures {kind}".strip()}">{"".join(figures)}</div>'
