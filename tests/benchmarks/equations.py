"""The kernels of Eqs. 1-5: beside the NumPy reference, PyTorch and one pass over their bytes; and the refresh of P.

By hand, alone on the machine: python tests/benchmarks/equations.py [--threads 2] [--rounds 5]
float32, d = 10, alpha = 1. "pass" is the time of reading the inputs and writing the outputs once, by one core. Kernels
and pass write into arrays that are there ("new": into a new one, whose pages the system has to find first).
"""

from itertools import product

from contest import HAS_TORCH, arguments, contest, filled, machine, row

ARRAYS = """
import numpy as np
rng = np.random.default_rng(0)
n, k = {n}, {k}
z, mu = rng.standard_normal((n, 10), dtype=np.float32), rng.standard_normal((k, 10), dtype=np.float32)
"""
OURS = ARRAYS + """
from decnp import equations, kernels
q = kernels.soft_assignment(z, mu)
p = kernels.target_distribution(q)
nk, nd, kd = np.ones_like(q), np.ones_like(z), np.ones_like(mu)
def call():
    {module}.{name}({call})
"""
CALLS = {  # arguments, and what is written into
    "soft_assignment": ("z, mu", "nk"), "target_distribution": ("q", "nk"), "kl_divergence": ("p, q", None),
    "grad_z": ("z, mu, p", "nd"), "grad_mu": ("z, mu, p", "kd"), "loss_and_grads": ("z, mu, p", "(nd, kd)"),
}
MOVED = {  # arrays of n rows that are read and written: columns by name
    "soft_assignment": "d k", "target_distribution": "k k", "kl_divergence": "k k", "grad_z": "d k d",
    "grad_mu": "d k", "loss_and_grads": "d k d",
}
PASS = ARRAYS + """
columns = sum({"d": 10, "k": k}[name] for name in {moved!r}.split())
source, target = np.ones(n * columns // 2, np.float32), np.empty(n * columns // 2, np.float32)
def call():
    np.copyto(target, source)
"""
TORCH = ARRAYS + """
import torch
torch.set_num_threads({threads})
z, mu = torch.from_numpy(z).requires_grad_(), torch.from_numpy(mu).requires_grad_()
p = torch.from_numpy(rng.dirichlet(np.ones(k), n).astype(np.float32))
def call():
    z.grad = mu.grad = None
    s = 1 / (1 + ((z[:, None] - mu) ** 2).sum(2))
    q = s / s.sum(1, keepdim=True)
    (p * (p / q).log()).sum().backward()
"""
NETWORK = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.random((70_000, 784), dtype=np.float32)
mu = rng.standard_normal((10, 10), dtype=np.float32)
Ws = [rng.standard_normal((m, n), dtype=np.float32) / np.float32(np.sqrt(m))
      for m, n in zip([784, 500, 500, 2000], [500, 500, 2000, 10])]
"""
REFRESH = NETWORK + """
from functools import partial
from decnp.layers import Dense, encode
from decnp.training.engine import engine_for
from decnp.utils.rows import ScaledRows
from decnp.utils.threads import ThreadPool, map_blocks
engine, rows = engine_for("numba"), ScaledRows(X, np.float32(0), np.float32(1))
theta = [Dense(W, np.zeros(W.shape[1], np.float32), "linear" if W is Ws[-1] else "relu") for W in Ws]
pool = ThreadPool().__enter__()
def call():
    q = engine.soft_assignment(map_blocks(partial(encode, theta), rows, pool), mu)
    return engine.target_distribution(q), q.argmax(axis=1)
"""
REFRESH_TORCH = NETWORK + """
import torch
torch.set_num_threads({threads})
layers = []
for W in Ws:
    layer = torch.nn.Linear(*W.shape)
    layer.weight.data = torch.from_numpy(W.T.copy())
    layers += [layer, torch.nn.ReLU()]
net, mu, X = torch.nn.Sequential(*layers[:-1]), torch.from_numpy(mu), torch.from_numpy(X)
def call():
    with torch.inference_mode():
        s = torch.cat([1 / (1 + ((net(rows)[:, None] - mu) ** 2).sum(2)) for rows in X.split(2048)])
        q = s / s.sum(1, keepdim=True)
        p = q ** 2 / q.sum(0)
        return p / p.sum(1, keepdim=True), q.argmax(1)
"""


def measure(threads: int, rounds: int = 5, ns=(70_000, 1_000_000), ks=(10,)) -> dict[str, dict[str, float]]:
    """For each kernel, and for the refresh of P, the median seconds of decnp and of what it is compared with."""
    results = {}
    for n, k, name in product(ns, ks, CALLS):
        if n * k > 20_000_000:
            continue
        words = {"n": n, "k": k, "threads": threads, "moved!r": repr(MOVED[name]), "name": name}
        given, out = CALLS[name]
        kernel = OURS.replace("{module}", "kernels")
        programs = {"decnp": kernel.replace("{call}", f"{given}, out={out}" if out else given), "pass": PASS}
        if n == 1_000_000 and out not in (None, "kd"):
            programs["new"] = kernel.replace("{call}", given)
        if n * k < 1_000_000:  # the reference holds n k d differences
            programs["reference"] = OURS.replace("{module}", "equations").replace("{call}", given)
        if HAS_TORCH and name == "loss_and_grads" and n * k < 10_000_000:
            programs["PyTorch"] = TORCH
        title = f"{name}, n = {n}, k = {k}"
        results[title] = contest({of: filled(text, words) for of, text in programs.items()}, threads, rounds,
                                 calls=max(3, min(50, 2_000_000 // (n * k))))
        print(row(title, results[title], "decnp"), flush=True)
    programs = {"decnp": REFRESH, **({"PyTorch": filled(REFRESH_TORCH, {"threads": threads})} if HAS_TORCH else {})}
    results["refresh of P, n = 70000"] = contest(programs, threads, rounds, calls=1)
    print(row("refresh of P, n = 70000", results["refresh of P, n = 70000"], "decnp"), flush=True)
    return results


def main():
    args = arguments(__doc__)
    print(machine(args.threads))
    measure(args.threads, args.rounds, (256, 70_000, 1_000_000), (4, 10, 100))


if __name__ == "__main__":
    main()
