"""Markdown document and contact sheets of the benchmark of the miniature (miniature.py)."""

from datetime import date

from PIL import Image, ImageDraw, ImageFont

from detailscribe.miniature.world.arrangements import SIDE_PX


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
        "Share of images that show both entities in the prompted arrangement, as the judge sees it; "
        f"{figures['prompts']} held-out prompts, {figures['seeds']} seeds; 95 % intervals over prompts.",
        "",
        "| method | share | 95 % |",
        "|---|---|---|",
        *(
            f"| {method} | {row['share']:.3f} | {row['low95']:.3f} to {row['high95']:.3f} |"
            for method, row in figures["right"].items()
        ),
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
