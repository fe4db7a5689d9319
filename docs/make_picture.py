"""Draw the picture of the README, the embedding before and after the clustering phase: python docs/make_picture.py.

The run is a real one of seconds: the digits 0 to 4 of scikit-learn, a network 64-128-64-2, so that the embedding is a plane.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from decnp import DEC, StackedAutoencoder, cluster_accuracy, load_digits

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # of Okabe and Ito, for color-blind readers too
MARKERS = "o^sDv"


def draw(path: Path) -> tuple[float, float]:
    """Write the picture to ``path`` and return the accuracy before and after the clustering phase."""
    X, y = load_digits()
    X, y = X[y < 5], y[y < 5]
    autoencoder = StackedAutoencoder((128, 64, 2), random_state=1).fit(X)
    dec = DEC(5, autoencoder=autoencoder, random_state=1).fit(X)
    steps = [("autoencoder, then k-means", autoencoder.transform(X), dec.initial_centers_, dec.initial_labels_),
             (f"after {dec.n_iter_} steps of DEC", dec.transform(X), dec.cluster_centers_, dec.labels_)]
    figure = Figure(figsize=(8, 3.7), layout="constrained")
    for ax, (title, z, mu, labels) in zip(figure.subplots(1, 2, sharex=True, sharey=True), steps, strict=True):
        for digit, color in enumerate(COLORS):
            ax.plot(*z[y == digit].T, MARKERS[digit], color=color, markersize=3, alpha=0.6, linestyle="", label=f"{digit}")
        ax.plot(*mu.T, "X", color="black", markeredgecolor="white", markersize=12, linestyle="", label="centroid")
        ax.set_title(f"{title}\naccuracy {cluster_accuracy(y, labels):.3f}", fontsize=11)
        ax.set(xticks=[], yticks=[])
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right", markerscale=1.2, frameon=False)
    figure.savefig(path, dpi=115)
    return tuple(cluster_accuracy(y, labels) for *_, labels in steps)


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("picture.png")))
