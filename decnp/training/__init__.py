"""Parts of training that the paper does not mention: records, checkpoints, diagnostics, scaling, engines."""
