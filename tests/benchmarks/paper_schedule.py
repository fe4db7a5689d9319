"""By hand: the clustering phase of the profile ``paper`` on MNIST with one setting changed, from the autoencoder of a run.

    decnp fit mnist --profile paper --seed 0 --threads 1 --out run       # keep a copy of run/checkpoint.decnp ...
    python tests/benchmarks/paper_schedule.py 0 COPY [--only NAME ...]   # ... that was written in the phase "finetune"

The rest of the fine-tuning is repeated from the copy, and gives the autoencoder of the run to the bit. The autoencoder is
written beside the copy. Each setting is one run of the clustering phase from that autoencoder, and is added to
data/results/paper-schedule.json: the nine lambda of the paper (section 4.3), and each departure of the authors' code from
the text alone. A setting that is in the file is not run again. Labels are used for the scores only. The run with lambda 160
is that of ``decnp fit``. Two processes must not write to one file: give each its own with ``--results``.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from decnp import DEC, load, load_mnist, save
from decnp.experiments.methods import scores
from decnp.io.atomic import write_atomically
from decnp.profiles import PAPER_MNIST, paper
from decnp.training.checkpoint import Checkpoint
from decnp.utils.provenance import provenance

RESULTS = Path(__file__).parents[2] / "data" / "results" / "paper-schedule.json"
PROFILE = replace(paper(70_000), **PAPER_MNIST)
SETTINGS = {
    **{f"lambda {10 * 2**i}": {"update_interval": 10 * 2**i} for i in range(9)},
    "shuffled minibatches": {"shuffle": True},
    "velocity kept at a refresh": {"momentum_restart": False},
    "biases at the same rate": {"kl_bias_lr": 1.0},
    "all three": {"shuffle": True, "momentum_restart": False, "kl_bias_lr": 1.0},
}


def autoencoder(X, seed, checkpoint):
    """Return the autoencoder of the run, from its file beside the checkpoint, or else from the checkpoint."""
    kept = checkpoint.with_name(f"paper-autoencoder-{seed}.decnp")
    if not kept.exists():
        model = DEC(10, profile=PROFILE, dtype="float32", random_state=seed, checkpoint=Checkpoint(checkpoint, float("inf")))
        for record in model.iter_fit(X, resume=True):
            if record.phase == "k-means":
                break
        start = DEC(10, profile=replace(PROFILE, max_iter=0), autoencoder=model.autoencoder_, dtype="float32", random_state=seed)
        save(start.fit(X), kept)
    return load(kept).autoencoder_


def run(X, y, ae, seed, changes):
    """Return the scores and the end of one clustering phase."""
    begun = time.process_time()
    model = DEC(10, profile=replace(PROFILE, **changes), autoencoder=ae, dtype="float32", random_state=seed).fit(X)
    return {"start": scores(y, model.initial_labels_), **scores(y, model.labels_), "n_iter": model.n_iter_,
            "converged": model.converged_, "stop_reason": model.stop_reason_, "cpu": round(time.process_time() - begun, 1),
            **provenance()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    X, y = load_mnist()[:2]
    with threadpool_limits(1):
        ae = autoencoder(X, args.seed, args.checkpoint)
        for name in args.only:
            runs = json.loads(args.results.read_text()) if args.results.exists() else []
            if any((run["seed"], run["setting"]) == (args.seed, name) for run in runs):
                continue
            runs.append({"seed": args.seed, "setting": name, **run(X, y, ae, args.seed, SETTINGS[name])})
            print(json.dumps(runs[-1]), flush=True)
            lines = ",\n".join(map(json.dumps, runs))
            write_atomically(args.results, lambda file: file.write(f"[\n{lines}\n]\n".encode()))


if __name__ == "__main__":
    main()
