"""Do boxes made of ImageNet features, without a box label, beat the mean training box?

    python -m benchmarks.real_localisation weizmann --data=DIR --workdir=DIR
    python -m benchmarks.real_localisation easy --workdir=DIR
    python -m benchmarks.real_localisation hard --workdir=DIR
    python -m benchmarks.real_localisation table --data=RESULT.json
    python -m benchmarks.real_localisation figure --workdir=DIR

Whatever the work folder already has is not computed again, so a run that was stopped goes on with
the same command. Results: benchmarks/results/real_localisation_<task>.json.
"""
