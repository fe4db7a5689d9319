"""Two parts of the baselines compared with a library: the neighbor search and the eigensolver.

By hand: python tests/benchmarks/baselines.py neighbors|eigenvectors [--threads 2] [--rounds 3] [--sizes 5000 10000]
Each row has wall seconds and CPU seconds (of all threads). The sides take turns. The peak of memory is that of
``tracemalloc``, which does not see scikit-learn's own work arrays (some MB a thread).
"""

import argparse
import json
import time
import tracemalloc
import warnings

import numpy as np
from scipy.sparse.linalg import LinearOperator, lobpcg
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from decnp.baselines import cliques, eigen, find_cliques
from decnp.baselines.cliques import local_laplacian, trivial_vectors
from decnp.datasets import load_digits, load_mnist

TEN_POWERS = [10.0**e for e in range(-8, 9, 2)]  # the nine lambdas of LDMGI, the nine mus of SEC
COUNT = 10


def clocked(f):
    """Return the wall seconds and CPU seconds of ``f()``, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = f()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def peak(f):
    """Return the peak of the memory that ``f()`` allocates, in MB."""
    tracemalloc.start()
    f()
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top / 2**20


# ---------------------------------------------------------------- neighbors

def by_sklearn(X, m):
    """As ``cliques._candidates``, by one call of scikit-learn's brute-force search."""
    centred = X - X.mean(axis=0, dtype=np.float64).astype(X.dtype)
    found = NearestNeighbors(n_neighbors=m, algorithm="brute").fit(centred).kneighbors(centred, return_distance=False)
    for start in range(0, len(X), 500):
        rows = slice(start, min(start + 500, len(X)))
        yield rows, found[rows]


def neighbors(args):
    X = load_mnist()[0]  # pixels x 0.02, float32
    results, ours = [], cliques._candidates
    sides = {"decnp": ours, "sklearn": by_sklearn}
    for n in args.sizes or (5000, 10_000, 20_000):
        rows, found = X[np.random.default_rng(0).permutation(len(X))[:n]], {}
        for turn in range(args.rounds):
            for name, search in sides.items():
                cliques._candidates = search
                wall, cpu, found[name] = clocked(lambda: find_cliques(rows))
                results.append({"n": n, "round": turn, "side": name, "wall": wall, "cpu": cpu})
        for name, search in sides.items():
            cliques._candidates = search
            same = np.array_equal(found[name].neighbors, found["decnp"].neighbors)
            wall, cpu = ([r[clock] for r in results if r["n"] == n and r["side"] == name] for clock in ("wall", "cpu"))
            print(f"n = {n}: {name:8} wall {np.round(wall, 2)}, CPU {np.round(cpu, 2)}, same neighbors: {same}, "
                  f"peak {peak(lambda: find_cliques(rows)):.0f} MB", flush=True)
        cliques._candidates = ours
    return results


# ---------------------------------------------------------------- eigenvectors

def by_lobpcg(L, count, mu, fit, rng, limit, null, max_iter):
    """Return the eigenvectors by SciPy's LOBPCG, with Davidson's operator, preconditioner and tolerance.

    ``limit`` comes from the exact eigenvalues, an advantage: Davidson estimates it from its Ritz values.
    """
    n, extra = L.shape[0], 2
    level = L.diagonal().mean()
    if fit is None:
        start, precondition = rng.normal(size=(n, count + extra)), None
    else:
        Y, gain = fit.Y, mu / (level + mu * (1 - fit.t))
        start = Y[:, : count + extra] + 1e-3 * rng.normal(size=(n, min(count + extra, Y.shape[1]))) / np.sqrt(n)
        operator = lambda T: (T + Y @ (gain[:, None] * (Y.T @ T).reshape(len(gain), -1))) / (level + mu)
        precondition = LinearOperator((n, n), matvec=lambda v: operator(v.reshape(n, 1)), matmat=operator, dtype=float)
    multiply = lambda V: L @ V if fit is None else L @ V + mu * (V - fit.Y @ (fit.Y.T @ V))
    M = LinearOperator((n, n), matvec=lambda v: multiply(v.reshape(n, 1)), matmat=multiply, dtype=float)
    constraints = None if null is None else null.toarray()
    w, V = lobpcg(M, start, Y=constraints, M=precondition, tol=limit, maxiter=max_iter, largest=False)
    return V[:, np.argsort(w)[:count]]


def quality(F, L, mu, fit):
    """Return the Ritz vectors and values of the span of F, and the largest residual ||M v - theta v||."""
    multiply = lambda V: L @ V if fit is None else L @ V + mu * (V - fit.Y @ (fit.Y.T @ V))
    F = np.linalg.qr(F)[0]
    theta, C = np.linalg.eigh(F.T @ multiply(F))
    F = F @ C
    return F, theta, float(np.linalg.norm(multiply(F) - F * theta, axis=0).max())


def eigenproblems(args):
    X, _ = load_mnist()
    order = np.random.default_rng(0).permutation(len(X))
    tables = {"digits": load_digits()[0] * 1.0, **{f"mnist {n}": X[order[:n]] for n in args.sizes or (5000, 10_000)}}
    for name, x in tables.items():
        found = find_cliques(x)
        for lam in TEN_POWERS:
            L = local_laplacian(found, lam)
            yield name, "LDMGI", lam, L, 0.0, None, trivial_vectors(L, np.ones(len(x)))
        L, fit = local_laplacian(found, 1.0), eigen.regression(x, 1.0)
        for mu in TEN_POWERS:
            yield name, "SEC", mu, L, mu, fit, None


def eigenvectors(args):
    results = []
    for name, method, setting, L, mu, fit, null in eigenproblems(args):
        n, bound = L.shape[0], float(abs(L).sum(axis=1).max())
        start, count = np.random.default_rng(0).normal(size=n), COUNT
        exact, theta, _ = quality(eigen.direct(L, count + 1, mu, fit, null, start, bound), L, mu, fit)
        limit = 1e-7 * (theta[count] - theta[0]) + 1e-14 * (bound + mu)
        sides = {"decnp": lambda: eigen.smallest_eigenvectors(L, count, np.random.default_rng(0), mu=mu, fit=fit, null=null)}
        large = fit is not None and mu > bound / 4  # where Davidson is used
        if large:
            sides["davidson"] = lambda: eigen.davidson(L, count, mu, fit, np.random.default_rng(0), bound)
        sides["lobpcg"] = lambda: by_lobpcg(L, count, mu, fit, np.random.default_rng(0), limit, null,
                                            500 if large else 50)
        for turn in range(args.rounds if large else 1):
            for side, solve in sides.items():
                wall, cpu, F = clocked(solve)
                F, values, residual = quality(F, L, mu, fit)
                digits = float(np.abs(values - theta[:count]).max() / theta[count])
                angle = float(np.linalg.norm(exact[:, :count] - F @ (F.T @ exact[:, :count])))
                results.append(dict(data=name, method=method, setting=setting, side=side, round=turn, wall=wall, cpu=cpu,
                                    residual=residual / limit, error=digits, angle=angle))
                print(f"{name:12} {method:6} {setting:7.0e} {side:9} wall {wall:6.2f} CPU {cpu:6.2f} "
                      f"residual/limit {residual / limit:8.1e} eigenvalues {digits:7.1e} angle {angle:7.1e}", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["neighbors", "eigenvectors"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", help="rows of MNIST")
    parser.add_argument("--out")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)  # of lobpcg, where it stalls
    with threadpool_limits(args.threads):
        results = {"neighbors": neighbors, "eigenvectors": eigenvectors}[args.what](args)
    if args.out:
        with open(args.out, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
