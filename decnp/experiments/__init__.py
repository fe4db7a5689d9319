"""Every table and figure of the DEC paper, one command each: ``decnp reproduce NAME``.

Each module here is one of them: ``cells`` lists its cells, ``gather`` makes its numbers of their results, ``in_words``
prints them with the paper's beside, and, for a figure, ``draw`` makes the picture.
"""
