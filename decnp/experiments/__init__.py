"""Experiments that reproduce the tables and figures of the DEC paper: ``decnp reproduce NAME``.

The modules ``table1`` to ``table4`` and ``figure1`` to ``figure6`` are experiments (``reproduce.Experiment``). ``cells``
lists the cells of an experiment, ``gather`` converts their results into rows, and ``format_rows`` formats the rows beside
the paper's numbers. The modules of the figures also have ``draw``.
"""
