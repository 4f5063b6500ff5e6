"""Markdown document and contact sheets of the benchmark of the miniature (miniature.py)."""

from datetime import date
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.facts import FACTS

PLANTED_COLOUR, MODEL_COLOUR, OTHER_COLOUR = "#1f5fa8", "#b5481c", "#4b8b3b"


def document(figures: dict) -> str:
    """The figures as Markdown; docs/miniature.md explains them."""
    parts = figures["parts"]
    lines = [
        "# The demo models (miniature): their parts, and the method in their world",
        "",
        f"`make bench-miniature`, {date.today().isoformat()}; weights of commit {figures['weights']}; "
        f"{figures['machine']}; {figures['minutes']} minutes. Failures are built into this world: "
        "these numbers are no evidence about the paper.",
        "",
        "| part, on held-out scenes | |",
        "|---|---|",
        f"| autoencoder | {parts['psnr_db']} dB |",
        f"| entities that the judge finds in scenes | {parts['entities_found_in_scenes']:.1%} |",
        f"| ... and after the autoencoder | {parts['entities_found_after_autoencoder']:.1%} |",
        *(
            f"| {name}: correct caption above a wrong one | {share:.1%} |"
            for name, share in parts["told_apart"].items()
        ),
        "",
        "Share of images in which all four facts of the prompt are true, as the judge sees it, with 95 % intervals "
        f"over prompts, and of each fact; {figures['prompts']} held-out prompts, "
        f"{figures['seeds']} seed{'s' * (figures['seeds'] > 1)}.",
        "",
        f"| method | share | 95 % | {' | '.join(FACTS)} |",
        f"|---|---|---|{'---|' * len(FACTS)}",
        *(
            f"| {method} | {row['share']:.3f} | {row['low95']:.3f} to {row['high95']:.3f} | "
            f"{' | '.join(format(figures['facts'][method][fact], '.3f') for fact in FACTS)} |"
            for method, row in figures["right"].items()
        ),
        "",
        "How well the critics look: of all facts, those about which a critic is right by the judge; of the wrong "
        "facts, those that it names; of those that it names, the wrong ones.",
        "",
        "| critic | right | found | named rightly |",
        "|---|---|---|---|",
        *(
            f"| {critic} | {row['right']:.1%} | {row['found']:.1%} | {row['named_rightly']:.1%} |"
            for critic, row in figures["critic"].items()
        ),
        "",
        "![Skill of the critic against right images](miniature_skill.svg)",
        "",
        "![64 held-out samples](miniature_samples.png)",
        "![Failures and their refinements](miniature_refined.png)",
        "",
    ]
    return "\n".join(lines)


def contact_sheet(images: list[Image.Image], titles: list[str], columns: int = 8) -> Image.Image:
    """Images in rows at double size, each above its title."""
    side, text_px = 2 * SIDE_PX, 30
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (side + 6), rows * (side + text_px)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        x, y = i % columns * (side + 6), i // columns * (side + text_px)
        sheet.paste(image.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        lines = [""]
        for word in title.split():
            if len(f"{lines[-1]} {word}") > 36:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        pen.text((x + 2, y + side + 2), "\n".join(lines[:2]), "black", font)
    return sheet


def skill_figure(figures: dict, path: Path) -> None:
    """The curve of the planted critics, and the small vision-language model on it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "miniature"
    figure, axes = pyplot.subplots(figsize=(5.5, 3.6), layout="constrained")
    right, critics = figures["right"], figures["critic"]
    planted = [name for name in critics if name.startswith("planted_")]
    series = [
        ("critics of planted skill", planted, planted, "o-", PLANTED_COLOUR),
        ("vision-language model", ["critic"], ["k0"], "s", MODEL_COLOUR),
        ("... without decomposition", ["critic_without_decomposition"], ["ablation_k0"], "D", OTHER_COLOUR),
    ]
    for label, named, methods, form, colour in series:
        rows = [right[method] for method in methods]
        shares = [100 * row["share"] for row in rows]
        bars = [[100 * abs(row["share"] - row[end]) for row in rows] for end in ("low95", "high95")]
        skills = [100 * critics[name]["right"] for name in named]
        axes.errorbar(skills, shares, bars, fmt=form, color=colour, capsize=3, lw=1, label=label)
    lines = {
        "sd": "no critic",
        "every_fact": "all four sentences, without looking",
        "blind_two": "the best two sentences of this world, without looking",
    }
    for name, text in lines.items():
        share = 100 * right[name]["share"]
        axes.axhline(share, color="#777777", lw=0.8, ls="--")
        axes.annotate(text, (50, share), (0, 3), textcoords="offset points", fontsize=8, color="#555555")
    axes.set_ylim(0, 80)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    axes.set_xlabel("answers of the critic that are right, %")
    axes.set_ylabel("images with all facts right, %")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
