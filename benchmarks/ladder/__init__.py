"""Which of the paper's orderings hold on stick actions, Weizmann and UT-Interaction?

    make demo
    python -m benchmarks.ladder stick --workdir=DIR
    python -m benchmarks.ladder flow --workdir=DIR
    python -m benchmarks.ladder published --workdir=DIR
    python -m benchmarks.ladder weizmann --data=DIR --workdir=DIR
    python -m benchmarks.ladder ut_interaction --data=DIR --workdir=DIR
    python -m benchmarks.ladder table --page=docs/results/ladder.md

`stick` trains every model of the ladder on the clips of the demo, and those with attention where
the background tells the class. `flow` trains VideoLSTM on flow of hard clips with other settings,
and reads its scores in other ways. A backbone of each stream is fitted once for a set, and all
models and seeds read its features. `published` trains VideoLSTM on flow of hard clips at the sizes
of docs/results.md; there each seed has clips and a backbone of its own. `weizmann` and
`ut_interaction` train the ladder on folds of real videos, with a frozen backbone. `table` prints
the tables of the result files. What the work folder already has is not computed again. Results:
benchmarks/results/ladder_<task>.json.
"""
