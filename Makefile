# The words that people and CI use. `make demo` and `make test` need nothing but Python 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
RUN = TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 $(VENV)/bin/python
INSTALLED = $(VENV)/.installed

.PHONY: demo test test-slow test-oldest test-oldest-av lint bench install clean

install: $(INSTALLED)

$(INSTALLED): setup.py
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

# All stages on the built-in data set; ends with a page of pictures. CELLS=convalstm,videolstm picks others.
demo: $(INSTALLED)
	$(RUN) -m launch.pipeline --preset=demo --workdir=work/demo $(if $(CELLS),--cells=$(CELLS))

test: $(INSTALLED)
	$(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder

# Without flags of XLA: the long tests compile with the code generator that users have.
test-slow: $(INSTALLED)
	XLA_FLAGS= $(RUN) -m pytest -m slow -n auto --dist loadfile --no-loadscope-reorder

# Tests of every library with the oldest versions that setup.py allows, in an environment of their own. Python 3.11: the
# oldest versions have no wheels for later ones.
OLDEST = .venv-oldest
VIDEO_TESTS = tests/test_decode.py tests/test_sound_videos.py tests/test_fields.py tests/test_held_pictures.py \
	tests/test_orientation.py tests/test_raw_streams.py tests/test_live.py tests/test_encode.py tests/test_playlists.py
OLDEST_TESTS = $(VIDEO_TESTS) tests/test_unroll.py tests/test_loop.py tests/test_checkpoint.py tests/test_batches.py \
	tests/test_features.py tests/test_features_resumed.py tests/test_features_damaged.py tests/test_plots.py \
	tests/test_weight_files.py tests/test_matlab.py

test-oldest:
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check -c constraints/oldest.txt -e . pytest hypothesis
	TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 $(OLDEST)/bin/python -m pytest $(OLDEST_TESTS)

# The part that CI runs: videos with the oldest PyAV, all else as it is.
test-oldest-av: $(INSTALLED)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/oldest-av \
		-c constraints/oldest.txt av
	PYTHONPATH=$(VENV)/oldest-av $(RUN) -m pytest $(VIDEO_TESTS)

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# Speed against rivals in the same run; results go to benchmarks/results/.
bench: $(INSTALLED)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[bench]"
	for name in core_step tvl1 localize codings store; do $(RUN) -m benchmarks.$$name || exit 1; done

clean:
	rm -rf $(VENV) $(OLDEST) work build dist *.egg-info
