"""A trained model in use, beside PyTorch and onnxruntime: cold start, throughput, memory, size of the file.

By hand, from an environment that has torch and onnxruntime: python tests/benchmarks/deployment.py [--rounds 9]
Each measurement is a process of its own; the candidates take turns (A B C A B C ...) and the medians are compared.
The network is the paper's, with random weights: 784-500-500-2000-10, ten centroids, alpha 1, float32.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from statistics import median

import numpy as np

from decnp import DEC, Profile
from decnp.export import export_onnx

N = 70_000
UNTRAINED = Profile(init_std=None, pretrain_iter=0, finetune_iter=0, max_iter=0)

NUMPY = """
import numpy, sys
open("model.decnp", "rb").read()
"""
DECNP = """
import numpy as np
from decnp.inference import load_model
model = load_model("model.decnp")
predict = model.predict
"""
TORCH = """
import torch, numpy as np
torch.set_num_threads(THREADS)
state = torch.load("model.pt", weights_only=True)
layers = []
for l in range(4):
    layer = torch.nn.Linear(*state[f"{l}.weight"].shape[::-1])
    layer.weight.data, layer.bias.data = state[f"{l}.weight"], state[f"{l}.bias"]
    layers += [layer, torch.nn.ReLU()]
net, mu = torch.nn.Sequential(*layers[:-1]), state["mu"]
def predict(x):
    with torch.inference_mode():
        labels = []
        for rows in torch.from_numpy(x).split(2048):
            s = 1 / (1 + ((net(rows)[:, None] - mu) ** 2).sum(2))
            labels.append((s / s.sum(1, keepdim=True)).argmax(1))
        return torch.cat(labels).numpy()
"""
ONNX = """
import onnxruntime, numpy as np
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = THREADS
session = onnxruntime.InferenceSession("model.onnx", options)
def predict(x):
    return np.concatenate([session.run(["label"], {"x": x[s : s + 2048]})[0] for s in range(0, len(x), 2048)])
"""
ONE = "predict(np.zeros((1, 784), np.float32))\n"
ALL = r"""
import json, re, time
def resident(name):
    return int(re.search(name + r":\s+(\d+) kB", open("/proc/self/status").read())[1])
x = np.load("x.npy")
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from here (Linux)
before = resident("VmRSS")
predict(x[:8192])  # each thread has begun once
start = time.perf_counter()
labels = predict(x)
seconds = time.perf_counter() - start
print(json.dumps([seconds, (resident("VmHWM") - before) / 1024, labels.tolist()]))
"""
TIMED = """
import subprocess, sys, time
start = time.perf_counter()
subprocess.run([sys.executable, *sys.argv[1:]], check=True)
print(time.perf_counter() - start)
"""


def prepare():
    """The model in the three formats, and N rows, in this folder."""
    import torch

    x = np.random.default_rng(0).random((N, 784), dtype=np.float32)
    np.save("x.npy", x)
    dec = DEC(10, profile=UNTRAINED, random_state=0).fit(x[:3000])
    dec.save("model.decnp")
    export_onnx(dec, "model.onnx")
    ae, scale = dec.autoencoder_, float(dec.autoencoder_.scale_)
    state = {f"{l}.{name}": torch.tensor(a) for l, (W, b, _) in enumerate(ae.encoder_)
             for name, a in (("weight", W.T * (scale if l == 0 else 1)), ("bias", b))}
    torch.save({**state, "mu": torch.tensor(dec.cluster_centers_)}, "model.pt")


def cold(program):
    """Seconds of a new process."""
    done = subprocess.run([sys.executable, "-c", TIMED, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def warm(program):
    """Seconds, MB above those of the rows and the model, and labels of N rows."""
    done = subprocess.run([sys.executable, "-c", program + ALL], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(args.threads)))
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    programs = {name: text.replace("THREADS", str(args.threads)) for name, text in
                {"NumPy and the file": NUMPY, "decnp": DECNP, "PyTorch": TORCH, "onnxruntime": ONNX}.items()}
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "torch", "onnxruntime"))
    print(f"{platform.platform()}, threads: {args.threads}, rounds: {args.rounds}, Python {platform.python_version()}, "
          f"{versions}")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        print("bytes:", {path.name: path.stat().st_size for path in sorted(Path().glob("model.*"))})
        colds = {name: [] for name in programs}
        for _ in range(args.rounds):
            for name, program in programs.items():
                colds[name].append(cold(program + (ONE if name != "NumPy and the file" else "")))
        print("cold start, median seconds:", {name: round(median(times), 3) for name, times in colds.items()})
        warms = {name: [] for name in programs if name != "NumPy and the file"}
        for _ in range(max(3, args.rounds // 3)):
            for name in warms:
                warms[name].append(warm(programs[name]))
        labels = np.array(warms["decnp"][0][2])
        for name, runs in warms.items():
            seconds = median(run[0] for run in runs)
            print(f"{N} rows, {name}: {seconds:.2f} s, {N / seconds:.0f} rows/s, workspace "
                  f"{median(run[1] for run in runs):.0f} MB, "
                  f"labels that differ from decnp's: {int((labels != np.array(runs[0][2])).sum())}")
        os.chdir("/")


if __name__ == "__main__":
    main()
