"""Image files that people bring: bytes damaged, modes, orientations, bombs; imported as the study does."""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from detailscribe.files.rows import read_rows
from detailscribe.methods.external import imported_requests, save_external_images
from tests.fault_cases.kind import Case, Kind, require
from tests.fault_cases.mutation import damaged

SIZE = 24, 16
TOLERANCE = 3  # of 255, on the mean: JPEG and colour conversion
RECORDS = [{"id": name, "topic": name, "prompt": f"prompt {name}"} for name in ("good", "mutant")]
PARAMETERS = {"generation": {"format": "png"}}


def drawn() -> Image.Image:
    """A smooth image without symmetry."""
    ramp = Image.linear_gradient("L").resize(SIZE)
    return Image.merge("RGB", (ramp, ramp.rotate(180), Image.new("L", SIZE, 40)))


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case; it works in its own folder."""
    before = Path.cwd()

    def case(number: int, random: Random, own: Path) -> None:
        os.chdir(own)
        (own / "mine").mkdir()
        drawn().save("mine/good.png")
        data, expected = mutant(random)
        (own / "mine" / f"mutant.{random.choice(['png', 'jpg', 'webp'])}").write_bytes(data)
        requests, files = imported_requests(RECORDS, {"folder": "mine"}, "mine", PARAMETERS)
        save_external_images("s", "000-of-001", "mine", requests, files, PARAMETERS, lambda: None)
        rows = {row["id"]: row for row in read_rows(Path("results/s/images/mine/000-of-001.jsonl"))}
        require(rows["good"]["status"] == "ok", f"the good image is {rows['good']['reason']}")
        check(rows["mutant"], expected)

    try:
        yield case
    finally:
        os.chdir(before)


def check(row: dict, expected: np.ndarray | None | str) -> None:
    """Check the row of the mutated image; `expected`: pixels, None for unreadable, "any" for either."""
    status, reason = row["status"], row["reason"]
    require(status in ("ok", "refused", "failed"), f"status {status}")
    require(status == "ok" or reason, "a row without a reason")
    require("\n" not in reason and len(reason) < 1000, f"reason {reason[:200]!r}")
    if isinstance(expected, str):
        return
    require((status == "ok") is (expected is not None), f"status {status}: {reason}")
    if expected is not None:
        with Image.open(Path("results") / row["file"]) as image:
            found = np.asarray(image.convert("RGB"), float)
        require(found.shape == expected.shape, f"size {found.shape}, not {expected.shape}")
        difference = np.abs(found - expected).mean()
        require(difference <= TOLERANCE, f"pixels differ by {difference:.1f} of 255 on average")


def mutant(random: Random) -> tuple[bytes, np.ndarray | None | str]:
    """An image file and the pixels that are right."""
    forms: list[Callable[[Random], tuple[bytes, np.ndarray | None | str]]] = [
        *(plain, oriented, deep, transparent, other_mode, damaged_bytes, damaged_bytes, bomb, no_image, uniform),
    ]
    return random.choice(forms)(random)


def saved(image: Image.Image, form: str, **options) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def rgb() -> np.ndarray:
    """The pixels of the drawn image."""
    return np.asarray(drawn(), float)


def plain(random: Random) -> tuple[bytes, np.ndarray]:
    """Any format."""
    form = random.choice(["PNG", "JPEG", "WEBP"])
    return saved(drawn(), form, quality=95) if form != "PNG" else saved(drawn(), form), rgb()


def oriented(random: Random) -> tuple[bytes, np.ndarray]:
    """Stored turned or mirrored, with the EXIF orientation that turns it back."""
    turns = {
        **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM},
        **{5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE},
        **{8: Image.Transpose.ROTATE_270, 1: None},
    }
    orientation, turn = random.choice(list(turns.items()))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = drawn() if turn is None else drawn().transpose(turn)
    form = random.choice(["JPEG", "PNG", "WEBP"])
    return saved(stored, form, exif=exif, **({} if form == "PNG" else {"quality": 95})), rgb()


def deep(random: Random) -> tuple[bytes, np.ndarray]:
    """16 bits of grey."""
    grey = np.linspace(0, 65535, SIZE[0] * SIZE[1]).reshape(SIZE[::-1]).astype(np.uint16)
    expected = np.repeat((grey / 257)[:, :, None], 3, axis=2)
    return saved(Image.fromarray(grey), "PNG"), expected


def transparent(random: Random) -> tuple[bytes, np.ndarray]:
    """Transparent pixels have a hidden colour; on white they are white."""
    image = drawn().convert("RGBA")
    alpha = np.full(SIZE[::-1], 255, np.uint8)
    alpha[:8] = random.choice([0, 0, 128])
    image.putalpha(Image.fromarray(alpha))
    share = alpha[:, :, None] / 255
    return saved(image, random.choice(["PNG"])), rgb() * share + 255 * (1 - share)


def other_mode(random: Random) -> tuple[bytes, np.ndarray]:
    """Grey, palette, CMYK and animated images."""
    mode = random.choice(["L", "P", "CMYK", "animated", "1"])
    if mode == "CMYK":
        return saved(drawn().convert("CMYK"), "JPEG", quality=95), rgb()
    if mode == "animated":
        more = [Image.new("RGB", SIZE, (255, 0, 0))]
        return saved(drawn(), "WEBP", save_all=True, append_images=more, lossless=True), rgb()
    image = drawn().convert(mode)
    return saved(image, "PNG"), np.asarray(image.convert("RGB"), float)


def damaged_bytes(random: Random) -> tuple[bytes, str]:
    """Bytes changed anywhere."""
    return damaged(plain(random)[0], random), "any"


def bomb(random: Random) -> tuple[bytes, None]:
    """A PNG of many pixels in few bytes."""
    side = random.choice([20_000, 30_000, 60_000, 2**31 - 1])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10_000_000, 9)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body, None


def no_image(random: Random) -> tuple[bytes, None]:
    """Another kind of file."""
    page = b"<html><body>404 not found</body></html>"
    return random.choice(
        [b"", b"\x89PNG\r\n\x1a\n", page, b"%PDF-1.7\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
    ), None


def uniform(random: Random) -> tuple[bytes, None]:
    """The black image of a safety checker."""
    return saved(Image.new("RGB", SIZE, random.choice(["black", "white"])), random.choice(["PNG", "JPEG"])), None


KIND = Kind("images", 120, 20, prepare)
