"""Files in and out: atomic writes, model and checkpoint archives, tables, labels."""
