import random
import zlib

import pytest

from detailscribe.capsule.check.changed_byte import changed_byte


def packed_of(content: bytes) -> bytes:
    packing = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packing.compress(content) + packing.flush()


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "packed"])
def test_the_changed_byte_is_found(stored):
    draw = random.Random(2)
    content = " ".join(draw.choice(["otter", "heron", "ladder", "umbrella", "7"]) for _ in range(60)).encode()
    packed = content if stored else packed_of(content)
    for _ in range(12):
        place = draw.randrange(len(packed))
        wrong = packed[:place] + bytes([packed[place] ^ draw.randrange(1, 256)]) + packed[place + 1 :]
        found = changed_byte(wrong, stored, zlib.crc32(content), len(content), lambda each: each == content)
        assert found == place


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "packed"])
def test_two_changed_bytes_are_not_taken_for_one(stored):
    content = b"an otter and a heron share one red umbrella"
    packed = content if stored else packed_of(content)
    wrong = bytes([packed[0] ^ 3, packed[1] ^ 5]) + packed[2:]
    assert changed_byte(wrong, stored, zlib.crc32(content), len(content), lambda each: each == content) is None


def test_a_place_that_fits_the_checksum_alone_is_not_taken():
    content = bytes(1000)
    wrong = b"\x01" + content[1:]
    assert changed_byte(wrong, True, zlib.crc32(content), 1000, lambda each: False) is None


def test_a_bomb_is_not_unpacked():
    content = bytes(50)
    bomb = packed_of(bytes(10**8))
    assert changed_byte(bomb, False, zlib.crc32(content), len(content), lambda each: True) is None
