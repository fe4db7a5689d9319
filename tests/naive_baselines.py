"""LDMGI and SEC as plain loops over the papers' formulas, with dense matrices and no shortcuts."""

import numpy as np


def centring(n):
    return np.eye(n) - np.ones((n, n)) / n


def cliques(X, k):
    """The rows of ``Cliques.neighbors``: itself, then the nearest others; the earlier of equally near ones first."""
    rows = []
    for i in range(len(X)):
        others = sorted((sum((a - b) ** 2 for a, b in zip(X[i], X[j])), j) for j in range(len(X)) if j != i)
        rows.append([i] + [j for _, j in others[: k - 1]])
    return np.array(rows)


def local_laplacian(X, neighbors, lam):
    """sum_i S_i (H - X~^T (X~ X~^T + lam I_D)^-1 X~) S_i^T / lam, the papers' form in D dimensions."""
    n, k = neighbors.shape
    L, H = np.zeros((n, n)), centring(k)
    for i in range(n):
        Xi = X[neighbors[i]].T @ H  # (D, k), points in columns as in the papers
        Li = H - Xi.T @ np.linalg.inv(Xi @ Xi.T + lam * np.eye(len(Xi))) @ Xi
        for a in range(k):
            for b in range(k):
                L[neighbors[i, a], neighbors[i, b]] += Li[a, b] / lam
    return L


def normalized_cut_laplacian(X, neighbors):
    n, k = neighbors.shape
    A = np.zeros((n, n))
    sigma = [np.sqrt(((X[i] - X[neighbors[i, -1]]) ** 2).sum()) for i in range(n)]
    for i in range(n):
        for j in neighbors[i, 1:]:
            A[i, j] = A[j, i] = np.exp(-((X[i] - X[j]) ** 2).sum() / (sigma[i] * sigma[j]))
    degree = A.sum(axis=0)
    return np.array([[(i == j) - A[i, j] / np.sqrt(degree[i] * degree[j]) for j in range(n)] for i in range(n)])


def sec_fit(X, F, gamma):
    """The W (D, c) and b (c,) that the TNN paper gives for F (n, c); X is (n, D)."""
    n, D = X.shape
    Xc = X.T @ centring(n)
    W = np.linalg.inv(Xc @ Xc.T + gamma * np.eye(D)) @ Xc @ F
    return W, (F.sum(axis=0) - W.T @ X.sum(axis=0)) / n


def sec_objective(X, L, F, W, b, mu, gamma):
    residual = X @ W + b - F
    return np.trace(F.T @ L @ F) + mu * ((residual**2).sum() + gamma * (W**2).sum())


def rotation_objective(F, labels, R):
    """||Y - F~ R||^2, entry by entry."""
    total = 0.0
    for i in range(len(F)):
        image = (F[i] / np.linalg.norm(F[i])) @ R
        for j in range(F.shape[1]):
            total += ((labels[i] == j) - image[j]) ** 2
    return total
