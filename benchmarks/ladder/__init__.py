"""Which of the paper's orderings hold on stick actions?

    python -m benchmarks.ladder stick --workdir=DIR
    python -m benchmarks.ladder flow --workdir=DIR
    python -m benchmarks.ladder table

`stick` trains every model of the ladder where the background says nothing of the class, and the
models with attention where it says all. `flow` trains VideoLSTM on flow with other settings, and
reads its scores in other ways. `table` prints the tables of the result files. A backbone of each
stream is fitted once for a set, and all models and seeds read its features. What the work folder
already has is not computed again. Results: benchmarks/results/ladder_<task>.json.
"""
