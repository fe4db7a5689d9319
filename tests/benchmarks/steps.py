"""One training step beside PyTorch's and beside its bare matrix products.

By hand, alone on the machine: python tests/benchmarks/steps.py [--threads 2] [--rounds 8]
Four steps at batch 256 in float32: the whole autoencoder of 784 and of 2000 features, the clustering step of the
784 one, and the third layer-wise pair. Network, batch, precision and update rule are the same for all.
"""

from contest import HAS_TORCH, arguments, contest, filled, machine, row

SIZES = [500, 500, 2000, 10]

COMMON = """
import numpy as np
kind, D, SIZES = {kind!r}, {D}, {sizes}
rng = np.random.default_rng(0)
X = rng.random((20_000, D), dtype=np.float32)
sizes = [D, *SIZES]
acts = ["relu"] * (len(SIZES) - 1) + ["linear"]
if kind != "dec":
    sizes, acts = sizes + sizes[-2::-1], acts + acts[-2::-1] + ["linear"]
if kind == "pair":
    sizes, acts = [500, 2000, 500], ["relu", "relu"]
    X = rng.random((20_000, 500), dtype=np.float32)
mu, p = rng.standard_normal((10, 10)).astype(np.float32), rng.dirichlet(np.ones(10), len(X)).astype(np.float32)
def batch():
    return rng.integers(0, len(X), 256)
"""
OURS = COMMON + """
from decnp.kernels import loss_and_grads
from decnp.layers import arrays_of, dropout_mask, init_mlp
from decnp.optim import SGD
from decnp.training.engine import ReadableStep, engine_for
from decnp.utils.rows import ScaledRows
from decnp.utils.threads import ThreadPool
engine, theta = engine_for("numba"), init_mlp(rng, sizes, acts, None)
rows = ScaledRows(X, np.float32(0), np.float32(1))
sgd = SGD([mu] * (kind == "dec") + arrays_of(theta), 0.01, 0.9, update=engine.sgd_update)
step = engine.step_for(theta, sgd, 256, ThreadPool().__enter__())
noise = np.random.default_rng(1)
rates = [0.2, 0.2] if kind == "pair" else [0.0]
def call():
    i = batch()
    x = rows[i]
    if kind == "dec":
        step.cluster(x, mu, p[i])
    else:
        step.reconstruct(x, [dropout_mask(noise, (256, len(W)), rate) for (W, _, _), rate in zip(theta, rates)])
"""
READABLE = OURS.replace("step = engine.step_for(theta, sgd, 256, ThreadPool().__enter__())",
                        "step = ReadableStep(theta, sgd, loss_and_grads)")
PRODUCTS = COMMON + """
hs = [rng.random((256, n), dtype=np.float32) for n in sizes]
Ws = [rng.random((m, n), dtype=np.float32) for m, n in zip(sizes, sizes[1:])]
out = [(np.empty_like(h), np.empty_like(W), np.empty_like(x)) for x, W, h in zip(hs, Ws, hs[1:])]
def call():
    for x, W, (a, _, _) in zip(hs, Ws, out):
        np.matmul(x, W, out=a)
    for l, (W, (_, g_W, g_x)) in reversed(list(enumerate(zip(Ws, out)))):
        np.matmul(hs[l].T, hs[l + 1], out=g_W)
        if l:
            np.matmul(hs[l + 1], W.T, out=g_x)
"""
TORCH = COMMON + """
import torch
torch.set_num_threads({threads})
layers = []
for m, n, act in zip(sizes, sizes[1:], acts):
    layers += [torch.nn.Linear(m, n)] + [torch.nn.ReLU()] * (act == "relu")
if kind == "pair":
    layers = [torch.nn.Dropout(0.2), *layers[:2], torch.nn.Dropout(0.2), *layers[2:]]
net = torch.nn.Sequential(*layers)
X, p, mu = torch.from_numpy(X), torch.from_numpy(p), torch.nn.Parameter(torch.from_numpy(mu))
sgd = torch.optim.SGD([*net.parameters(), mu], 0.01, momentum=0.9)
def call():
    i = torch.from_numpy(batch())
    x = X[i]
    sgd.zero_grad()
    if kind == "dec":
        s = 1 / (1 + ((net(x)[:, None] - mu) ** 2).sum(2))
        q = s / s.sum(1, keepdim=True)
        loss = (p[i] * (p[i] / q).log()).sum() / len(i)
    else:
        loss = ((net(x) - x) ** 2).mean() / 2
    loss.backward()
    sgd.step()
"""


STEPS = {"autoencoder step, D = 784": ("autoencoder", 784), "autoencoder step, D = 2000": ("autoencoder", 2000),
         "DEC step, D = 784": ("dec", 784), "layer-wise step, 500-2000": ("pair", 784)}


def measure(threads: int, rounds: int = 8, calls: int = 10) -> dict[str, dict[str, float]]:
    """For each step the median seconds of decnp, of its readable path, of the bare products and of PyTorch."""
    results = {}
    for title, (kind, D) in STEPS.items():
        programs = {"decnp": OURS, "readable": READABLE, "products": PRODUCTS}
        programs.update({"PyTorch": TORCH} if HAS_TORCH else {})
        words = {"kind!r": repr(kind), "D": D, "sizes": SIZES, "threads": threads}
        results[title] = contest({name: filled(text, words) for name, text in programs.items()}, threads, rounds, calls)
        print(row(title, results[title], "decnp"), flush=True)
    return results


def main():
    args = arguments(__doc__)
    print(machine(args.threads))
    measure(args.threads, args.rounds)


if __name__ == "__main__":
    main()
