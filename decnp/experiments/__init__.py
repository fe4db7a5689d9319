"""Tables and figures of the DEC paper, one command each: ``decnp reproduce NAME``.

The modules ``table1`` to ``table4`` and ``figure1`` to ``figure6`` are experiments (``reproduce.Experiment``): ``cells``
lists the cells, ``gather`` turns their results into rows, and ``format_rows`` prints the rows beside the paper's
numbers. The modules of the figures also have ``draw``.
"""
