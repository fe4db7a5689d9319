"""The parts of LDMGI and SEC against loops, against LAPACK, and against what the algebra promises."""

import naive_baselines as naive
import numpy as np
import pytest
from conftest import blobs
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence

from decnp import load_digits
from decnp.baselines import cliques, eigen, find_cliques
from decnp.baselines.cliques import local_laplacian, normalized_cut_laplacian, trivial_vectors
from decnp.baselines.rotation import spectral_rotation

CLOSE = dict(rtol=1e-10, atol=1e-12)  # sums of some hundred terms near 1, and inverses with condition numbers below 1e3
ALL_MU = [1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6, 1e8]


@pytest.fixture(scope="module")
def data():
    return blobs(n=90, n_features=7, k=3)


@pytest.fixture(scope="module")
def graph(data):
    return find_cliques(data)


# ---------------------------------------------------------------- cliques

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n, k", [(5, 5), (16, 2), (17, 5), (90, 5), (90, 12)])
def test_cliques_are_the_loops(n, k, dtype, monkeypatch):
    monkeypatch.setattr(cliques, "BLOCK_BYTES", 7 * 96 * 8)  # several blocks, the last one short
    X = blobs(n=n, n_features=3, dtype=dtype)
    found = find_cliques(X, k)
    np.testing.assert_array_equal(found.neighbors, naive.cliques(X.astype(float), k))
    for i in range(n):
        z = X[found.neighbors[i]].astype(float).T @ naive.centring(k)
        np.testing.assert_allclose(found.grams[i], z.T @ z, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(
            found.squared_distances()[i], ((X[i].astype(float) - X[found.neighbors[i]]) ** 2).sum(axis=1), atol=1e-10)


def test_of_equally_near_points_the_earlier_come_first():
    X = np.arange(40.0)[:, None]  # i - 1 and i + 1 are as far from i
    np.testing.assert_array_equal(find_cliques(X).neighbors, naive.cliques(X, 5))


def test_a_far_offset_changes_no_neighbor():
    X = np.round(blobs(n=200, n_features=4, dtype=np.float32) * 64)  # whole numbers, exact also at the offset
    np.testing.assert_array_equal(find_cliques(X + np.float32(2**20)).neighbors, find_cliques(X).neighbors)


@pytest.mark.parametrize("dtype, far", [(np.float32, 1e2), (np.float32, 1e4), (np.float64, 5e7)])
@pytest.mark.parametrize("count", [1, 60])
def test_rounding_hides_no_neighbor_if_other_rows_are_far(dtype, far, count):
    """The rounding of the matrix products is larger than the distances within a group."""
    X = np.random.default_rng(0).normal(0, 0.1, size=(120, 2))
    X[:count] += far
    X[-count:] -= far
    X = X.astype(dtype)
    np.testing.assert_array_equal(find_cliques(X).neighbors, naive.cliques(X.astype(float), 5))


def test_rows_of_one_scale_need_no_exact_search(monkeypatch):
    """The exact search of ``_nearest`` is slow. It must be left to rows whose neighbors rounding could hide."""
    needed = []
    monkeypatch.setattr(cliques, "_nearest", lambda X, i, k: needed.append(i) or np.arange(k))
    find_cliques(load_digits()[0].astype(np.float32) + np.random.default_rng(0).random((1797, 64), np.float32))
    assert not needed


def test_a_duplicate_is_first_in_its_own_clique():
    X = np.repeat([[0.0, 1.0], [5.0, 1.0]], 30, axis=0)
    found = find_cliques(X)
    np.testing.assert_array_equal(found.neighbors[:, 0], np.arange(60))
    assert (found.neighbors // 30 == np.arange(60)[:, None] // 30).all() and found.squared_distances().max() == 0
    assert all(len(set(row)) == 5 for row in found.neighbors)


def test_rounding_makes_no_squared_distance_negative():
    """Near duplicates far from the rest of their clique, where the three terms cancel but for rounding."""
    X = 1e3 * np.random.default_rng(0).normal(size=(40, 3))
    X = np.concatenate([X, X * (1 + 1e-15)])
    squared = find_cliques(X).squared_distances()
    assert (squared >= 0).all()


# ---------------------------------------------------------------- Laplacians

@pytest.mark.parametrize("lam", [1e-3, 1.0, 1e3])
def test_the_local_laplacian_is_the_papers_form_in_D_dimensions(data, graph, lam):
    L = local_laplacian(graph, lam).toarray()
    np.testing.assert_allclose(L, naive.local_laplacian(data, graph.neighbors, lam), rtol=1e-8, atol=1e-9 / lam)
    np.testing.assert_allclose(L.sum(axis=0), 0, atol=1e-12 * abs(L).sum(axis=0).max())
    assert np.linalg.eigvalsh(L)[0] > -1e-12 * abs(L).max()


def test_the_local_laplacian_at_both_ends_of_lam(data, graph):
    n, k = graph.neighbors.shape
    pseudo, counts = np.zeros((n, n)), np.zeros((n, n))
    for i, G in zip(graph.neighbors, graph.grams):
        pseudo[np.ix_(i, i)] += np.linalg.pinv(G, rcond=1e-10, hermitian=True)
        counts[np.ix_(i, i)] += naive.centring(k)
    np.testing.assert_allclose(local_laplacian(graph, 1e-12).toarray(), pseudo, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(1e12 * local_laplacian(graph, 1e12).toarray(), counts, atol=1e-9)


@pytest.mark.parametrize("size", [1.0, 1e4, 1e6])
def test_the_local_laplacian_of_two_columns_does_not_depend_on_the_unit(size):
    """Cliques of five points in two columns have singular Gram matrices, whose rounding is larger than a small lam."""
    X = np.random.default_rng(0).normal(size=(90, 2))
    expected = local_laplacian(find_cliques(X), 1e-8).toarray()
    found = local_laplacian(find_cliques(X * size), 1e-8).toarray()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * abs(expected).max())


def test_the_normalized_cut_is_the_loops(data, graph):
    L, trivial = normalized_cut_laplacian(graph)
    np.testing.assert_allclose(L.toarray(), naive.normalized_cut_laplacian(data, graph.neighbors), **CLOSE)
    np.testing.assert_allclose(L @ trivial, 0, atol=1e-13)


def test_the_normalized_cut_of_duplicates_and_of_a_point_without_weight():
    X = np.r_[np.zeros((5, 1)), np.ones((5, 1)), [[0.4]]]  # the last one has duplicates only around it
    L, trivial = normalized_cut_laplacian(find_cliques(X))
    np.testing.assert_allclose(L.toarray()[:5, :5], np.eye(5) - (1 - np.eye(5)) / 4, **CLOSE)
    assert not L.toarray()[10].any() and trivial[10] == 1


def test_trivial_vectors_span_the_null_space_largest_part_first():
    X = np.r_[blobs(n=10, k=1), 100 + blobs(n=30, k=1), 200 + blobs(n=20, k=1)]
    for L, trivial in ((local_laplacian(find_cliques(X), 1.0), np.ones(60)), normalized_cut_laplacian(find_cliques(X))):
        null = trivial_vectors(L, trivial)
        assert [int(column.sum()) for column in (null.toarray().T > 0)] == [30, 20, 10]
        np.testing.assert_allclose((null.T @ null).toarray(), np.eye(3), **CLOSE)
        np.testing.assert_allclose((L @ null).toarray(), 0, atol=1e-12)
        assert np.linalg.eigvalsh(L.toarray())[3] > 1e-6


# ---------------------------------------------------------------- SEC's elimination

@pytest.mark.parametrize("n, D", [(40, 6), (12, 12), (12, 30)])
@pytest.mark.parametrize("gamma", [1e-2, 1.0, 50.0])
def test_sec_eliminates_W_and_b(n, D, gamma):
    X, rng = 3 + blobs(n=n, n_features=D), np.random.default_rng(1)
    L = local_laplacian(find_cliques(X), 1.0).toarray()
    F, mu = np.linalg.qr(rng.normal(size=(n, 3)))[0], 0.7
    Y, t = eigen.regression(X, gamma)
    M = L + mu * (np.eye(n) - Y @ Y.T)
    W, b = naive.sec_fit(X, F, gamma)
    least = naive.sec_objective(X, L, F, W, b, mu, gamma)
    np.testing.assert_allclose(np.trace(F.T @ M @ F), least, rtol=1e-10)
    assert Y.shape == (n, min(n, D + 1))  # no column for a direction whose singular value is rounding, as that of 1 / sqrt(n)
    np.testing.assert_allclose(Y.T @ Y, np.diag(t), atol=1e-11)
    for _ in range(5):  # and nothing near by is less
        near_W, near_b = W + 1e-3 * rng.normal(size=W.shape), b + 1e-3 * rng.normal(size=3)
        there = naive.sec_objective(X, L, F, near_W, near_b, mu, gamma)
        assert there > least


# ---------------------------------------------------------------- eigenvectors

def same_space(F, G, atol=1e-6):
    """Return True if the orthonormal columns of F and G span the same space: every angle is below ``atol``."""
    np.testing.assert_allclose(F.T @ F, np.eye(F.shape[1]), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(G - F @ (F.T @ G)), 0, atol=atol)


def eigenproblem(spread, parts):
    """L, its regression, a first vector and the bound of L's eigenvalues, on a graph of so many parts."""
    X = blobs(n=330, n_features=12, k=4, spread=spread)
    L = local_laplacian(find_cliques(X), 1.0)
    assert trivial_vectors(L, np.ones(330)).shape[1] == parts
    return L, eigen.regression(X, 1.0), np.random.default_rng(0).normal(size=330), float(abs(L).sum(axis=1).max())


@pytest.fixture(scope="module")
def problem():
    return eigenproblem(spread=2.0, parts=1)


@pytest.fixture(scope="module")
def parted():
    return eigenproblem(spread=1.0, parts=3)


@pytest.mark.parametrize("mu", ALL_MU)
@pytest.mark.parametrize("graph", ["problem", "parted"])
def test_direct_is_dense_at_every_mu(request, graph, mu):
    L, fit, start, bound = request.getfixturevalue(graph)
    same_space(eigen.direct(L, 4, mu, fit, None, start, bound), eigen.dense(L, 4, mu, fit), 1e-7)


@pytest.mark.parametrize("mu", [mu for mu in ALL_MU if mu <= 1e-2])
def test_lanczos_is_dense_at_small_mu(problem, mu):
    L, fit, start, bound = problem  # 1e-4: tol = 1e-7 of the bound, over gaps of 1e-3 of it
    same_space(eigen.lanczos(L, 4, mu, fit, None, start, bound), eigen.dense(L, 4, mu, fit), 1e-4)


@pytest.mark.parametrize("mu", [mu for mu in ALL_MU if mu >= 1])
def test_davidson_is_dense_at_large_mu(problem, mu):
    L, fit, _, bound = problem
    same_space(eigen.davidson(L, 4, mu, fit, np.random.default_rng(0), bound), eigen.dense(L, 4, mu, fit), 1e-5)


@pytest.mark.parametrize("mu, steps", [(1e2, 9), (1e4, 6)])
def test_davidson_with_another_preconditioner_would_take_more_steps(problem, mu, steps):
    """Seen: 8 and 5, and 10 and 8 or more if the gain is 0 or is not that of the docstring."""
    L, fit, _, bound = problem
    eigen.davidson(L, 4, mu, fit, np.random.default_rng(0), bound, max_iter=steps)


@pytest.mark.parametrize("mu", [1e-8, 1e-4, 1.0])
def test_direct_with_a_shift_far_from_zero_would_take_more_solutions(problem, mu, monkeypatch):
    """Seen: 81, the first Krylov space, and 229 with a shift of minus the bound."""
    seen, largest = [], eigen._largest
    monkeypatch.setattr(eigen, "_largest", lambda solve, *others, **how: largest(
        lambda v: seen.append(v) or solve(v), *others, **how))
    L, fit, start, bound = problem
    eigen.direct(L, 4, mu, fit, None, start, bound)
    assert len(seen) < 100


@pytest.mark.parametrize("graph", ["problem", "parted"])
def test_the_choice_of_solver_does_not_change_the_answer(request, graph, monkeypatch):
    L, fit, *_ = request.getfixturevalue(graph)
    for mu in (1e-8, 1e-2, 1e2):
        exact = eigen.dense(L, 3, mu, fit)
        for direct in (20_000, 300):
            monkeypatch.setattr(eigen, "DIRECT", direct)
            F = eigen.smallest_eigenvectors(L, 3, np.random.default_rng(0), mu=mu, fit=fit)
            same_space(F, exact, 1e-4)
            assert (F.max(axis=0) >= -F.min(axis=0)).all()


def test_known_vectors_are_left_out(parted):
    L, _, start, bound = parted
    null = trivial_vectors(L, np.ones(330))
    p = null.shape[1]
    assert p > 1  # so that copies of the eigenvalue 0 could be missed
    exact = np.linalg.eigh(L.toarray())[1][:, p : p + 3]
    for F in (eigen.dense(L, 3, null=null), eigen.lanczos(L, 3, 0, None, null, start, bound),
              eigen.direct(L, 3, 0, None, null, start, bound)):
        same_space(F, exact, 1e-4)


def test_a_known_vector_is_beyond_the_largest_eigenvalue():
    """Two points: the eigenvalues are 0 and 2, and 2 is also the bound of M. Catches a known vector moved to the bound."""
    L, null = sparse.csr_array(np.array([[1.0, -1.0], [-1.0, 1.0]])), sparse.csr_array(np.full((2, 1), 0.5**0.5))
    same_space(eigen.dense(L, 1, null=null), np.array([[0.5**0.5], [-(0.5**0.5)]]), 1e-12)


@pytest.mark.parametrize("transposed", [False, True], ids=["rows", "columns"])
def test_rows_or_columns_that_sum_to_zero(transposed, monkeypatch):
    half = np.round(8 * blobs(n=180, n_features=330))  # whole numbers: the sums are exactly 0
    X = np.vstack([half, -half])[:360, :6] if transposed else np.hstack([half.T, -half.T])
    assert not X.sum(axis=0 if transposed else 1).any()
    L = local_laplacian(find_cliques(X), 1.0)
    null, fit = trivial_vectors(L, np.ones(len(X))), eigen.regression(X, 1.0)
    for direct in (20_000, 300):
        monkeypatch.setattr(eigen, "DIRECT", direct)
        for kind in (dict(null=null), dict(mu=1e-4, fit=fit), dict(mu=1e4, fit=fit)):
            F = eigen.smallest_eigenvectors(L, 3, np.random.default_rng(0), **kind)
            same_space(F, eigen.dense(L, 3, **kind), 1e-4)


def test_a_stiff_laplacian_goes_to_the_direct_solver():
    X = blobs(n=320, n_features=2)  # fewer features than neighbours: eigenvalues up to 1 / lam = 1e8
    L = local_laplacian(find_cliques(X), 1e-8)
    null, bound = trivial_vectors(L, np.ones(320)), float(abs(L).sum(axis=1).max())
    with pytest.raises(ArpackNoConvergence):
        eigen.lanczos(L, 3, 0, None, null, np.random.default_rng(0).normal(size=320), bound)
    F = eigen.smallest_eigenvectors(L, 3, np.random.default_rng(0), null=null)
    p = null.shape[1]
    exact = np.linalg.eigvalsh(L.toarray())[p : p + 3]
    np.testing.assert_allclose(np.linalg.eigvalsh(F.T @ (L @ F)), exact, atol=1e-14 * bound)  # its rounding


# ---------------------------------------------------------------- rotation

def test_rotation_recovers_a_planted_one():
    rng = np.random.default_rng(3)
    truth = rng.integers(4, size=200)
    Q = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    F = (np.eye(4)[truth] + 0.05 * rng.normal(size=(200, 4))) @ Q * rng.uniform(0.1, 9, size=(200, 1))
    labels, R, objective = spectral_rotation(F, 5, rng)
    name = [truth[labels == j][0] for j in range(4)]  # which class each cluster is
    np.testing.assert_array_equal(np.array(name)[labels], truth)
    np.testing.assert_allclose(R.T @ R, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(R, Q.T[:, name], atol=0.05)  # the noise, not rounding
    assert objective == pytest.approx(naive.rotation_objective(F, labels, R), rel=1e-9)


def test_rotation_keeps_the_best_start():
    F = np.random.default_rng(0).normal(size=(60, 5))
    one_at_a_time = np.random.default_rng(8)
    objectives = [spectral_rotation(F, 1, one_at_a_time)[2] for _ in range(12)]
    assert len(set(np.round(objectives, 6))) > 1
    assert spectral_rotation(F, 12, np.random.default_rng(8))[2] == min(objectives)


def test_rotation_stops_when_the_objective_no_longer_falls(monkeypatch):
    """Catches a comparison that holds at the first step, or never."""
    svds, svd = [], np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda a: svds.append(a) or svd(a))
    spectral_rotation(np.random.default_rng(0).normal(size=(60, 5)), 1, np.random.default_rng(8))
    assert 3 < len(svds) < 50


def test_rotation_of_a_row_of_zeros():
    labels, R, objective = spectral_rotation(np.array([[1.0, 0], [0, 1], [0, 0]]), 4, np.random.default_rng(0))
    assert labels[0] != labels[1] and np.isfinite(R).all() and objective == pytest.approx(1)


# ---------------------------------------------------------------- bad input

@pytest.mark.parametrize("X, k, sentence", [
    ([[0.0], [1.0]], 3, "n_neighbors must be at most the number of samples; got n_neighbors = 3, n_samples = 2"),
    ([[0.0], [1.0]], 1, "n_neighbors must be a whole number >= 2; got 1"),
    ([[0.0], [np.nan]], 2, "contains NaN"),
    ([[0.0], [1e200]], 2, "X is too large: squared distances overflow in float64"),
    (np.array([[0.0], [1e30]], np.float32), 2, "X is too large: squared distances overflow in float32"),
])
def test_bad_input_to_the_search(X, k, sentence):
    with pytest.raises(ValueError, match=sentence):
        find_cliques(X, k)


@pytest.mark.parametrize("lam", [0, -1, np.nan, np.inf, "1", 1e-320])
def test_bad_lam(lam):
    with pytest.raises(ValueError, match="lam must be|lam is too small"):
        local_laplacian(find_cliques(np.zeros((6, 1))), lam)


def test_no_convergence_is_one_sentence(problem, monkeypatch):
    L, fit, *_ = problem
    monkeypatch.setattr(eigen, "DIRECT", 300)
    monkeypatch.setattr(eigen.davidson, "__defaults__", (1e-7, 1))
    with pytest.raises(RuntimeError, match="the 3 smallest eigenvectors did not converge"):
        eigen.smallest_eigenvectors(L, 3, np.random.default_rng(0), mu=1e2, fit=fit)


