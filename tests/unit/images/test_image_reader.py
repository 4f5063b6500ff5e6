"""Image reader: what is read, in which pixels, and what is refused with the file's name."""

import io
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from detailscribe.images.image_reader import (
    FIRST_FRAME,
    ON_WHITE,
    SCALED,
    UPRIGHT,
    UnreadableImage,
    is_black,
    is_uniform,
    read_image,
    to_rgb,
)
from tests.sample_images import smooth_image

PLAIN = smooth_image(12, 8)
CLEAR = Image.merge("RGBA", (*PLAIN.split(), Image.new("L", (12, 8), 0)))
GREY = np.asarray(PLAIN.convert("L"))
ORIENTATION = 0x0112


def encoded(image: Image.Image, format: str, **options) -> bytes:
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def turned(degrees: int, orientation: int, format: str) -> bytes:
    """The plain image, stored turned, with the orientation that turns it back."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(PLAIN.rotate(degrees, expand=True), format, exif=exif)


def bomb(side: int) -> bytes:
    """A PNG whose header says that it has side x side pixels."""
    data = bytearray(encoded(PLAIN, "PNG"))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


WIDE = np.stack([GREY.astype(np.uint16) * 257] * 2)[0]
READ = {
    "plain PNG": (encoded(PLAIN, "PNG"), PLAIN, ()),
    "PNG, opaque alpha": (encoded(PLAIN.convert("RGBA"), "PNG"), PLAIN, ()),
    "palette": (encoded(PLAIN.quantize(7), "PNG"), PLAIN.quantize(7).convert("RGB"), ()),
    "grey": (encoded(PLAIN.convert("L"), "PNG"), PLAIN.convert("L").convert("RGB"), ()),
    "black and white": (encoded(PLAIN.convert("1"), "PNG"), PLAIN.convert("1").convert("RGB"), ()),
    "CMYK": (encoded(PLAIN.convert("CMYK"), "TIFF"), PLAIN.convert("CMYK").convert("RGB"), ()),
    "orientation 6": (turned(90, 6, "PNG"), PLAIN, (UPRIGHT,)),
    "orientation 3": (turned(180, 3, "PNG"), PLAIN, (UPRIGHT,)),
    "orientation 8": (turned(270, 8, "PNG"), PLAIN, (UPRIGHT,)),
    "orientation 1": (turned(0, 1, "PNG"), PLAIN, ()),
    "orientation 77": (turned(0, 77, "PNG"), PLAIN, ()),
    "16 bits": (encoded(Image.fromarray(WIDE), "PNG"), Image.fromarray(GREY).convert("RGB"), (SCALED,)),
    "transparent": (encoded(CLEAR, "PNG"), Image.new("RGB", (12, 8), "white"), (ON_WHITE,)),
    "transparent grey": (encoded(CLEAR.convert("LA"), "PNG"), Image.new("RGB", (12, 8), "white"), (ON_WHITE,)),
    "transparent WebP": (
        encoded(CLEAR, "WEBP", lossless=True),
        Image.new("RGB", (12, 8), "white"),
        (ON_WHITE,),
    ),
    "colour that means transparent": (
        encoded(Image.new("RGB", (12, 8), "red"), "PNG", transparency=(255, 0, 0)),
        Image.new("RGB", (12, 8), "white"),
        (ON_WHITE,),
    ),
    "16 bits, a value that means transparent": (
        encoded(Image.fromarray(np.full((8, 12), 900, np.uint16)), "PNG", transparency=900),
        Image.new("RGB", (12, 8), "white"),
        (SCALED, ON_WHITE),
    ),
    "animation": (
        encoded(PLAIN, "PNG", save_all=True, append_images=[Image.new("RGB", (12, 8))]),
        PLAIN,
        (FIRST_FRAME,),
    ),
    "GIF": (encoded(PLAIN.quantize(7), "GIF"), PLAIN.quantize(7).convert("RGB"), ()),
    "animated GIF": (
        encoded(PLAIN.quantize(7), "GIF", save_all=True, append_images=[Image.new("P", (12, 8), 2)]),
        None,
        (FIRST_FRAME,),
    ),
    "AVIF": (encoded(PLAIN, "AVIF"), None, ()),
    "JPEG": (encoded(PLAIN, "JPEG"), None, ()),
    "TIFF of two pages": (encoded(PLAIN, "TIFF", save_all=True, append_images=[PLAIN]), PLAIN, (FIRST_FRAME,)),
    "photo with a preview": (encoded(PLAIN, "MPO", save_all=True, append_images=[PLAIN], quality=100), None, ()),
}


@pytest.mark.parametrize("name", READ)
def test_what_has_one_meaning_is_read(tmp_path, name):
    data, expected, notes = READ[name]
    path = tmp_path / "a.jpg"  # content decides, not the suffix
    path.write_bytes(data)
    image, found = read_image(path)
    assert (image.mode, image.size, found) == ("RGB", (12, 8), notes)
    assert image.tobytes() == (expected or image.copy()).tobytes()


def test_a_sideways_jpeg_is_upright_and_half_transparent_is_half_white(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(turned(90, 6, "JPEG"))
    assert read_image(path).image.size == (12, 8)
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert to_rgb(half).getpixel((0, 0)) == (127, 127, 127)
    assert to_rgb(PLAIN) is PLAIN


TRUNCATED = encoded(smooth_image(200, 200), "PNG")
UNREADABLE = {
    "empty": (b"", "the file is empty"),
    "truncated": (TRUNCATED[: len(TRUNCATED) // 2], "OSError"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "no image of a known format"),
    "text": (b"no image at all", "no image of a known format"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n", "no image of a known format"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image of a known format"),
    "bomb": (bomb(30_000), "900000000 pixels"),
    "no pixel": (bomb(0), "is not a readable image"),
    "floats": (encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "floating-point"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_everything_else_is_one_sentence_with_the_file(tmp_path, name):
    data, reason = UNREADABLE[name]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with warnings.catch_warnings(), pytest.raises(UnreadableImage, match=reason) as caught:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        read_image(path)
    assert str(caught.value).startswith(f"{path} is not a readable image (") and "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_file_too_large_are_unreadable(tmp_path, monkeypatch):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(UnreadableImage, match="is not a readable image"):
            read_image(path)
    monkeypatch.setattr("detailscribe.images.image_reader.MAX_BYTES", 10)
    (tmp_path / "a.png").write_bytes(encoded(PLAIN, "PNG"))
    with pytest.raises(UnreadableImage, match="an image has at most"):
        read_image(tmp_path / "a.png")


def test_a_uniform_and_a_black_image_are_known():
    assert [is_uniform(image) for image in (PLAIN, Image.new("RGB", (3, 3), "red"), Image.new("RGB", (3, 3)))] == [
        *(False, True, True)
    ]
    assert [is_black(image) for image in (PLAIN, Image.new("RGB", (3, 3), "red"), Image.new("L", (3, 3)))] == [
        *(False, False, True)
    ]
