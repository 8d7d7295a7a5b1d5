"""How many real clips are recurrent models right on, and how many are simple baselines?

    python -m benchmarks.real_data ucf101_fc6 --data=DIR --workdir=DIR
    python -m benchmarks.real_data ut_interaction --data=DIR --workdir=DIR
    python -m benchmarks.real_data ut_vgg16 --data=DIR --workdir=DIR --weights=FILE
    python -m benchmarks.real_data ut_flow_backbones --data=DIR --workdir=DIR
    python -m benchmarks.real_data ut_fit --data=DIR --workdir=DIR
    python -m benchmarks.real_data ucf24_tubes --data=DIR --workdir=DIR --boxes=FILE
    python -m benchmarks.real_data table --data=benchmarks/results/real_data_ut_interaction.json
    python -m benchmarks.real_data page --data=benchmarks/results/real_data_ut_interaction.json

`table` prints tables. `page` writes those of UCF101 and UT-Interaction into
docs/results/real_data.md, and the paper's orderings into docs/results.md.
A model is trained and scored by the project's own stages. Whatever the work folder already has is
not computed again, so a run that was stopped goes on with the same command.
Results: benchmarks/results/real_data_<task>.json.
"""
