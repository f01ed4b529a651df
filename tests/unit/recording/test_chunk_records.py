"""The records of a run's chunks in a bucket: those that cannot change any more are not asked for again."""

from __future__ import annotations

from rheed_acquire import BucketPath
from rheed_acquire.recording.chunk_records import ANNOUNCED, STORED, ChunkRecords
from rheed_acquire.recording.declarations import ChunkDeclaration
from rheed_acquire.recording.layout import CHUNK_RECORDS


def announce(records: ChunkRecords, *indices: int) -> None:
    for index in indices:
        records.announce(ChunkDeclaration(index, 4, 6, 8, 4, 1_700_000_000_000 + 1000 * index), None)


def states(records: ChunkRecords) -> list[tuple[int, str]]:
    return [(record["index"], record["state"]) for record in records.read()]


def test_records_are_read_in_the_order_of_their_indices_by_whoever_reads(bucket: BucketPath) -> None:
    ours, others = ChunkRecords(bucket), ChunkRecords(bucket)
    announce(ours, *range(12))
    assert states(ours) == [(index, ANNOUNCED) for index in range(12)]
    for index in (0, 1, 2, 4):
        others.store(index)
    expected = [(index, STORED if index in (0, 1, 2, 4) else ANNOUNCED) for index in range(12)]
    assert states(ours) == states(others) == expected
    ours.store(3)
    others.store(11)
    announce(others, 12)
    expected = [(index, STORED if index < 5 or index == 11 else ANNOUNCED) for index in range(13)]
    assert states(ours) == states(others) == states(ours) == expected


def test_the_first_records_are_listed_no_more_once_all_of_them_are_stored(bucket: BucketPath) -> None:
    records = ChunkRecords(bucket)
    announce(records, *range(4))
    for index in (0, 1, 3):
        records.store(index)
    records.read()
    for number, name in enumerate(sorted(path.name for path, _, _ in (bucket / CHUNK_RECORDS).below())):
        if number in (0, 1, 3):
            (bucket / CHUNK_RECORDS / name).unlink()
    assert states(records) == [(0, STORED), (1, STORED), (2, ANNOUNCED)]
