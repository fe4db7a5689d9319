"""The kernels of Eqs. 1-5: beside the NumPy reference, PyTorch and one pass over their bytes; and the refresh of P.

By hand, alone on the machine: python tests/benchmarks/equations.py [--threads 2] [--rounds 5]
float32, d = 10, alpha = 1. "pass" is the time of reading the inputs and writing the outputs once, by one core.
"""

import argparse
import os

from contest import contest, machine

ARRAYS = """
import numpy as np
rng = np.random.default_rng(0)
n, k = {n}, {k}
z, mu = rng.standard_normal((n, 10), dtype=np.float32), rng.standard_normal((k, 10), dtype=np.float32)
"""
OURS = ARRAYS + """
from decnp import equations, kernels
q = equations.soft_assignment(z[:1000], mu)
q = kernels.soft_assignment(z, mu)
p = kernels.target_distribution(q)
module = {module}
def call():
    {call}
"""
CALLS = {
    "soft_assignment": "module.soft_assignment(z, mu)",
    "target_distribution": "module.target_distribution(q)",
    "kl_divergence": "module.kl_divergence(p, q)",
    "grad_z": "module.grad_z(z, mu, p)",
    "grad_mu": "module.grad_mu(z, mu, p)",
    "loss_and_grads": "module.loss_and_grads(z, mu, p)",
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
from decnp import DEC, StackedAutoencoder
from decnp.crew import Crew
from decnp.engine import engine_for
from decnp.layers import Dense
engine, dec = engine_for("numba"), DEC()
dec.autoencoder_ = ae = StackedAutoencoder()
ae.shift_, ae.scale_ = np.float32(0), np.float32(1)
ae.encoder_ = [Dense(W, np.zeros(W.shape[1], np.float32), "linear" if W is Ws[-1] else "relu") for W in Ws]
crew = Crew().__enter__()
def call():
    q = engine.soft_assignment(dec._embed(X, crew), mu)
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


def filled(text, **words):
    for name, value in words.items():
        text = text.replace("{" + name + "}", str(value)).replace("{" + name + "!r}", repr(value))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--all", action="store_true", help="n 256, 70,000 and 1,000,000, k 4, 10 and 100")
    args = parser.parse_args()
    print(machine(args.threads))
    try:
        import torch  # noqa: F401
    except ImportError:
        torch = None
    print(f"{'ms, median':>22} {'n':>9} {'k':>4} {'kernel':>9} {'reference':>9} {'pass':>8} {'PyTorch':>8}   kernel / each")
    ns, ks = ((256, 70_000, 1_000_000), (4, 10, 100)) if args.all else ((70_000, 1_000_000), (10,))
    for n in ns:
        for k in ks:
            for name, call in CALLS.items():
                if n * k > 20_000_000:
                    continue
                programs = {"kernel": filled(OURS, n=n, k=k, module="kernels", call=call)}
                if n * k < 1_000_000:  # the reference holds n k d differences
                    programs["reference"] = filled(OURS, n=n, k=k, module="equations", call=call)
                programs["pass"] = filled(PASS, n=n, k=k, moved=MOVED[name])
                if torch and name == "loss_and_grads" and n * k < 10_000_000:
                    programs["PyTorch"] = filled(TORCH, n=n, k=k, threads=args.threads)
                _row(name, n, k, programs, args, calls=max(3, min(50, 2_000_000 // (n * k))))
    programs = {"kernel": REFRESH, **({"PyTorch": filled(REFRESH_TORCH, threads=args.threads)} if torch else {})}
    _row("refresh of P", 70_000, 10, programs, args, calls=1)


def _row(name, n, k, programs, args, calls):
    seconds = contest(programs, args.threads, args.rounds, calls)
    kernel = seconds["kernel"]
    cells = "".join(f"{1000 * seconds[of]:9.2f}" if of in seconds else f"{'-':>9}" for of in
                    ("kernel", "reference", "pass", "PyTorch"))
    ratios = ", ".join(f"{of} {kernel / s:.2f}" for of, s in seconds.items() if of != "kernel")
    print(f"{name:>22} {n:9} {k:4} {cells}   {ratios}", flush=True)


if __name__ == "__main__":
    main()
