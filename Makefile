# The words that people and CI use. `make demo` and `make test` need nothing but Python 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
RUN = TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 $(VENV)/bin/python
INSTALLED = $(VENV)/.installed

.PHONY: demo test test-slow lint bench install clean

install: $(INSTALLED)

$(INSTALLED): setup.py
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

# All stages on the built-in data set; ends with a page of pictures. CELLS=convalstm,videolstm picks others.
demo: $(INSTALLED)
	$(RUN) -m launch.pipeline --preset=demo --workdir=work/demo $(if $(CELLS),--cells=$(CELLS))

test: $(INSTALLED)
	$(RUN) -m pytest -n auto --dist loadfile

test-slow: $(INSTALLED)
	$(RUN) -m pytest -m slow -n auto --dist loadfile

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# Speed against rivals in the same run; results go to benchmarks/results/.
bench: $(INSTALLED)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[bench]"
	for name in core_step tvl1 localize codings store; do $(RUN) -m benchmarks.$$name || exit 1; done

clean:
	rm -rf $(VENV) work build dist *.egg-info
