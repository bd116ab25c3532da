"""Blobs against a real server: damage is told, and mended by its own remedy."""

import pytest

from invdesflow.errors import DatabaseError

CONTENT = bytes(range(256)) * 2000  # two chunks


def flip(database):
    chunk = database.raw["data.chunks"].find_one({"n": 1})
    damaged = bytes([chunk["data"][0] ^ 1]) + chunk["data"][1:]
    database.raw["data.chunks"].update_one({"_id": chunk["_id"]}, {"$set": {"data": damaged}})


def lose_one(database):
    database.raw["data.chunks"].delete_one({"n": 1})


def lose_all(database):
    database.raw["data.chunks"].delete_many({})


@pytest.mark.parametrize("damage", [flip, lose_one, lose_all])
def test_what_is_damaged_is_told_and_mended_by_storing_it_again(database, damage):
    digest = database.blobs.put(CONTENT)
    damage(database)
    with pytest.raises(DatabaseError, match=rf"The blob {digest} is damaged. Import what it belongs to again."):
        database.blobs.get(digest)
    assert database.blobs.put(CONTENT) == digest
    assert database.blobs.get(digest) == CONTENT
    assert database.raw["data.files"].count_documents({}) == 1


def test_what_is_stored_is_not_stored_again(database):
    digest = database.blobs.put(CONTENT)
    stored = database.raw["data.files"].find_one({})
    assert database.blobs.put(CONTENT) == digest
    assert list(database.raw["data.files"].find()) == [stored]
    with pytest.raises(DatabaseError, match="holds no blob"):
        database.blobs.get("0" * 64)
