"""Factorizations on the local engine, against scikit-learn and dask: CPU time, and accuracy.

python benchmarks/factorization.py [NAME ...]

CPU seconds of one BLAS thread, of each variant in turns, so that other work on the machine counts
little. `python benchmarks/factorization.py accuracy` prints the errors of the same calls against
float64 in numpy. scikit-learn is a dependency of the benchmarks only.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
from harness import Row, Scaled, cpu_timed, main
from sklearn import decomposition

import thunderlike as tl
from thunderlike.factorization import ICA, NMF, PCA, SVD

if TYPE_CHECKING:
    from collections.abc import Iterator

K = 10
LARGE, TALL, WIDE, MIDDLE = (131072, 500), (32768, 400), (400, 32768), (6000, 2000)
PART = 4  # of the largest matrix: dask's direct method is timed on its share


def rows() -> Iterator[Row]:
    """Random-walk time courses with noise, float32: large, tall, wide, and of middle size."""
    for name, shape in (("large", LARGE), ("tall", TALL), ("wide", WIDE), ("middle", MIDDLE)):
        x = movie(*shape)
        rivals = {
            "sklearn": lambda x=x: decomposition.PCA(
                K, svd_solver="randomized", random_state=0
            ).fit_transform(x)
        }
        yield Row(f"PCA {name}, fast", lambda x=x: PCA(K, precision="fast").fit(x), rivals)
        more = {"dask compressed": lambda x=x: compressed(x)}
        if name == "large":
            more["dask tsqr"] = Scaled(lambda x=x: tsqr(x[: len(x) // PART]), PART)
        yield Row(f"PCA {name}, exact", lambda x=x: PCA(K).fit(x), rivals | more)
    for count in (20000, 80000):  # of which the second runs compiled loops
        parts = nonnegative(count, 300)
        yield Row(
            f"NMF {count}",
            lambda x=parts: NMF(K, tol=1e-4).fit(x),
            {
                "sklearn": lambda x=parts: decomposition.NMF(
                    K, init="nndsvda", max_iter=200
                ).fit_transform(x)
            },
        )
    mixed, _ = mixture(50000, 120)
    yield Row(
        "ICA",
        lambda: ICA(8).fit(mixed),
        {
            "sklearn": lambda: decomposition.FastICA(
                8, fun="cube", whiten="unit-variance", random_state=0
            ).fit_transform(mixed),
            "eigh": lambda: decomposition.FastICA(
                8, whiten="unit-variance", whiten_solver="eigh", random_state=0
            ).fit_transform(mixed),
        },
    )


def movie(n: int, length: int, rank: int = 12) -> np.ndarray:
    """Return smooth time courses, whose spectrum falls slowly, and noise of standard deviation 1.

    Randomised methods with few passes look perfect on data of low rank without noise.
    """
    rng = np.random.default_rng(11)
    short, long = min(n, length), max(n, length)
    courses = np.cumsum(rng.standard_normal((rank, short)), axis=1)
    courses /= courses.std(axis=1, keepdims=True) * np.arange(1, rank + 1)[:, np.newaxis]
    x = rng.standard_normal((long, rank)) @ courses + rng.standard_normal((long, short))
    return np.ascontiguousarray(x if n >= length else x.T, dtype=np.float32)


def nonnegative(n: int, length: int) -> np.ndarray:
    """Return products of sparse nonnegative factors, and noise."""
    rng = np.random.default_rng(12)
    scores = rng.exponential(size=(n, K)) * (rng.random((n, K)) < 0.5)
    components = rng.exponential(size=(K, length)) * (rng.random((K, length)) < 0.3)
    x = scores @ components + 0.1 * rng.standard_normal((n, length))
    return np.maximum(x, 0).astype(np.float32)


def mixture(n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mixtures of eight sources with noise, and the sources."""
    rng = np.random.default_rng(13)
    laplace, uniform = rng.laplace(size=(n, 3)), rng.uniform(-1, 1, (n, 3))
    sparse = rng.standard_normal((n, 2)) * (rng.random((n, 2)) < 0.1)
    sources = np.concatenate([laplace, uniform, sparse], axis=1)
    sources /= sources.std(axis=0)
    x = sources @ rng.standard_normal((8, length)) + 0.1 * rng.standard_normal((n, length))
    return x.astype(np.float32), sources


def compressed(x: np.ndarray) -> list[np.ndarray]:
    """Return the principal components of dask's randomised method with two power iterations."""
    with dask.config.set(scheduler="synchronous"):
        array = da.from_array(x, chunks=(max(len(x) // 8, 1), x.shape[1]))
        u, s, v = da.linalg.svd_compressed(array - array.mean(axis=0), K, n_power_iter=2, seed=0)
        return list(dask.compute(u, s, v))


def tsqr(x: np.ndarray) -> list[np.ndarray]:
    """Return the principal components of dask's direct method."""
    with dask.config.set(scheduler="synchronous"):
        array = da.from_array(x, chunks=(max(len(x) // 8, 1), x.shape[1]))
        u, s, v = da.linalg.svd(array - array.mean(axis=0))
        return list(dask.compute(u[:, :K], s[:K], v[:K]))


def sine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the sine of the largest angle between the spaces of the rows."""
    one, other = (np.linalg.qr(rows.T.astype(float))[0] for rows in (one, other))
    return float(np.linalg.norm(one - other @ (other.T @ one), 2))


def accuracy() -> None:
    """Print errors of singular values, angles, relative errors and correlations with sources."""
    for name, shape in (("large", LARGE), ("tall", TALL), ("wide", WIDE), ("middle", MIDDLE)):
        x = movie(*shape)
        exact = x - x.mean(axis=0, dtype=float)
        tall = len(x) >= x.shape[1]
        squares, vectors = np.linalg.eigh(exact.T @ exact if tall else exact @ exact.T)
        s = np.sqrt(squares[::-1][:K])
        v = vectors[:, ::-1][:, :K].T if tall else (vectors[:, ::-1][:, :K] / s).T @ exact
        theirs = decomposition.PCA(K, svd_solver="randomized", random_state=0).fit(x)
        models = [PCA(K, precision=precision).fit_model(x) for precision in ("exact", "fast")]
        found = {
            f"ours ({model.method_}, {model.n_passes_} passes, {model.params['precision']})": (
                model.singular_values_,
                model.components_,
            )
            for model in models
        } | {
            "sklearn": (theirs.singular_values_, theirs.components_),
            "dask": compressed(x)[1:],
        }
        for who, (values, components) in found.items():
            error = np.abs(values / s - 1).max()
            print(f"PCA {name}, {who}: S {error:.1e}, sine {sine(components, v):.1e}")
    far = (4 * movie(*TALL) + 1e5).astype(np.float32)
    exact = far.astype(float) - far.mean(axis=0, dtype=float)
    s = np.linalg.svd(exact, compute_uv=False)[:K]
    print(f"PCA at 1e5: S {np.abs(PCA(K).fit_model(far).singular_values_ / s - 1).max():.1e}")
    parts = nonnegative(20000, 300)
    theirs = decomposition.NMF(K, init="nndsvda", max_iter=200)
    w = theirs.fit_transform(parts)
    for who, product in (
        ("ours", np.matmul(*NMF(K, tol=1e-4).fit(parts))),
        ("sklearn", w @ theirs.components_),
    ):
        print(f"NMF {who}: {np.linalg.norm(parts - product) / np.linalg.norm(parts):.4f}")
    mixed, sources = mixture(50000, 120)
    for fun in ("cube", "logcosh"):
        model = ICA(8, fun=fun).fit_model(mixed)
        across = np.abs(np.corrcoef(sources.T, model.transform(mixed).T)[:8, 8:])
        print(f"ICA {fun}, {model.n_passes_} passes: {across.max(axis=1).min():.5f}")
    model = SVD(3, method="krylov").fit_model(movie(*MIDDLE))
    print(f"krylov, k=3: {model.n_passes_} passes")


if __name__ == "__main__":
    tl.progress(False)
    warnings.simplefilter("ignore")  # of scikit-learn: 200 iterations are not enough for it
    if sys.argv[1:] == ["accuracy"]:
        accuracy()
    else:
        main(rows, __doc__ or "", cpu_timed)
