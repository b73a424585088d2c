"""Real DataLoaders: no worker, two of them, spawned and forked; two ranks over gloo.

PyTorch is not among the libraries that the tests install: it is larger than all others together.
To run these: pip install torch, then pytest tests/datasets/test_torch.py.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

from thunderlike.datasets import MsgpackReader, Shuffler
from thunderlike.datasets.torch import Dataset, IterableDataset

if importlib.util.find_spec("torch") is None:
    pytest.skip(
        "PyTorch is not installed: ALL DATALOADER TESTS ARE LEFT OUT; pip install torch",
        allow_module_level=True,
    )

from torch.utils.data import DataLoader

WORKERS = [(0, None), (2, "fork"), (2, "spawn")]


def loaded(data, count, start, **options):
    start = {"multiprocessing_context": start} if start else {}
    loader = DataLoader(data, num_workers=count, collate_fn=list, **start, **options)
    return [sample["label"] for batch in loader for sample in batch]


@pytest.mark.parametrize(("count", "start"), WORKERS)
def test_samples_by_number(path, count, start):
    reader = MsgpackReader(path)
    reader.get(0)  # an opened one goes to workers too
    found = loaded(Dataset(reader), count, start, batch_size=7, shuffle=True)
    assert sorted(found) == list(range(100))


def test_a_shuffled_reader_is_read_in_its_order(path):
    data = Dataset(Shuffler(MsgpackReader(path)))
    assert loaded(data, 2, "fork", batch_size=7)[:3] == [57, 76, 27]


@pytest.mark.parametrize(("count", "start"), WORKERS)
def test_samples_in_order(path, count, start):
    reader = MsgpackReader(path)
    reader.get(0)
    data = IterableDataset(Shuffler(reader), batch_size=5, num_workers=count)
    found = loaded(data, count, start, batch_size=5)
    assert sorted(found) == list(range(100))
    assert len(DataLoader(data, batch_size=5)) == 20


@pytest.mark.parametrize(("count", "start"), WORKERS[:2])
def test_a_broken_off_epoch_is_gone_on_with(path, count, start):
    def made():
        return IterableDataset(MsgpackReader(path), batch_size=4, shuffle=True, even="drop")

    data = made()
    options = {"multiprocessing_context": start} if start else {}
    loader = DataLoader(data, batch_size=4, num_workers=count, collate_fn=list, **options)
    batches = iter(loader)
    first = [sample["label"] for _ in range(7) for sample in next(batches)]
    state = data.state_dict(batches=7, num_workers=count)
    del batches
    again = made()
    again.load_state_dict(state)
    rest = loaded(again, 0, None, batch_size=4)
    assert sorted(first + rest) == list(range(100))


RANK = textwrap.dedent(
    """
    import sys
    import torch
    import torch.distributed as dist
    from torch.utils.data import DataLoader
    from thunderlike.datasets import MsgpackReader
    from thunderlike.datasets.torch import IterableDataset

    path, rank, port, workers = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    data = IterableDataset(MsgpackReader(path), batch_size=8, shuffle=True, even="drop")
    loader = DataLoader(data, batch_size=8, num_workers=workers, collate_fn=list)
    found, batches = [], 0
    for batch in loader:
        found += [sample["label"] for sample in batch]
        batches += 1
        dist.all_reduce(torch.ones(1))  # hangs if ranks had unequal batches
    dist.barrier()
    print(batches, *found)
    dist.destroy_process_group()
    """
)


def test_two_ranks_share_the_samples(path, free_port):
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(path), str(rank), str(free_port), "2"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        )
        for rank in range(2)
    ]
    taken = [list(map(int, rank.communicate(timeout=300)[0].split())) for rank in ranks]
    assert taken[0][0] == taken[1][0]
    assert sorted(taken[0][1:] + taken[1][1:]) == list(range(100))


@pytest.fixture
def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
