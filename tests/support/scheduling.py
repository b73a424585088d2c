"""Distribution of tests over the workers of pytest-xdist."""

from __future__ import annotations

from xdist.scheduler import LoadGroupScheduling

# Groups and files of more than ten seconds, longest first, so that all workers end together.
LONGEST = (
    "spark",
    "cluster",
    "jupyter",
    "tests/jobs/test_demo.py",
    "tests/calcium/test_pipeline.py",
    "tests/jobs/test_slurm.py",
    "tests/storage/test_concurrent_bucket.py",
    "tests/engines/test_disk.py",
    "program",
)


class FileScheduling(LoadGroupScheduling):
    """Send a worker a group of tests, or the other tests of a file, at a time.

    pytest-xdist sends tests without a group one by one: workers wait for the next one after each
    test of some milliseconds, and fixtures of a module are made on all workers.
    """

    def _split_scope(self, nodeid):
        return super()._split_scope(nodeid).partition("::")[0]

    def _assign_work_unit(self, node):
        self.workqueue.move_to_end(min(self.workqueue, key=_rank), last=False)
        super()._assign_work_unit(node)


def _rank(scope):
    return LONGEST.index(scope) if scope in LONGEST else len(LONGEST)
