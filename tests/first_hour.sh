#!/usr/bin/env bash
# The first hour with gslt, as somebody has it who just got the repository: in a copy of it, with fresh virtual
# environments and an empty home folder. Each step is timed; a table at the end says how each went.
#
#   bash tests/first_hour.sh                    every step but the last
#   bash tests/first_hour.sh wheel sdist        some of them
#   BOUNDS="-- tests/ticket" bash tests/first_hour.sh lowest     options of requirements/bounds.py
#   KEEP=1 …                                    leaves the folder that it worked in
#
#   demo        README's first command
#   readme      README's code and commands, and the documents'
#   examples    every example
#   notebooks   every notebook
#   docs        the documentation site
#   wheel       the wheel, installed outside of the repository
#   sdist       the archive of sources: unpacked, its tests collected and a part of them run
#   lowest      the fast tests with the lowest versions that pyproject.toml allows
#   newest      the same with the newest
#   test        README's second command: every check, which CI runs anyway
set -uo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
STEPS=(demo readme examples notebooks docs wheel sdist lowest newest)
KNOWN=("${STEPS[@]}" test)
PYTHON=${PYTHON:-python3}
WORK=$(mktemp -d)
COPY=$WORK/gslt
LOGS=$WORK/logs
[ -n "${KEEP:-}" ] || trap 'rm -rf "$WORK"' EXIT
unset PYTHONPATH VIRTUAL_ENV GSLT_DATA GSLT_LIMITS
export PYTHON HOME=$WORK/home OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
SKIPPED=77 # what a step ends with that has nothing to do

copy() {
  mkdir -p "$1"
  if git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
    (cd "$ROOT" && git ls-files -z --cached --others --exclude-standard |
      xargs -0 ls -d 2>/dev/null | tar cf - -T -) | tar xf - -C "$1"
  else
    (cd "$ROOT" && tar cf - --exclude ./.venv .) | tar xf - -C "$1"
  fi
}

# A virtual environment with what requirements/ pins: environment FOLDER [FILE…]
environment() {
  local folder=$1 file
  shift
  "$PYTHON" -m venv "$folder" || return
  for file in "$@"; do
    if [ "$file" = torch ]; then
      file=$(make -s -C "$COPY" which-torch VENV="$folder") || return
      echo "torch: requirements/$file.txt"
    fi
    "$folder/bin/python" -m pip install --quiet --no-deps --require-hashes --only-binary :all: \
      -r "$COPY/requirements/$file.txt" || return
  done
}

# The wheel and the archive of sources, once.
packages() {
  [ -d "$WORK/dist" ] && return
  environment "$WORK/builder" build || return
  (cd "$COPY" && "$WORK/builder/bin/python" -c '
import sys
from setuptools import build_meta
folder = sys.argv[1]
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)' "$WORK/dist") || return
  ls -l "$WORK/dist"
}

pytest() {
  make -C "$COPY" .venv/.test && (cd "$COPY" && .venv/bin/python -m pytest "$@")
}

step_demo() { make -C "$COPY" demo && ls -l "$COPY/runs/demo"; }

step_readme() {
  local files=(tests/test_readme.py) file
  for file in tests/test_documents.py tests/test_docs.py; do
    [ -e "$COPY/$file" ] && files+=("$file")
  done
  pytest "${files[@]}"
}

step_examples() { pytest tests/test_examples.py; }

step_notebooks() {
  if ! compgen -G "$COPY/examples/notebooks/*.ipynb" >/dev/null; then
    echo "there is no notebook in examples/notebooks"
    return $SKIPPED
  fi
  pytest tests/test_notebooks.py
}

step_docs() {
  if ! grep -q '^docs:' "$COPY/Makefile"; then
    echo "the Makefile has no target docs"
    return $SKIPPED
  fi
  make -C "$COPY" docs
}

step_wheel() {
  packages && environment "$WORK/user" build torch run || return
  "$WORK/user/bin/python" -m pip install --quiet --no-deps "$WORK"/dist/*.whl || return
  "$WORK/user/bin/python" -m pip check || return
  mkdir -p "$WORK/elsewhere" && cd "$WORK/elsewhere" || return
  PATH=$WORK/user/bin:$PATH
  set -e -x
  gslt --version
  gslt --help
  gslt data list
  gslt search --dataset debian --hidden_channels 16 --epochs 3 --out runs/mine
  gslt evaluate runs/mine/ticket.safetensors
  gslt inspect runs/mine/ticket.safetensors
  gslt study run --preset locking --size quick --help >/dev/null
  python -c 'import gslt; print(gslt.__file__); print(gslt.load_ticket("runs/mine/ticket.safetensors").size())'
}

step_sdist() {
  packages && environment "$WORK/tester" build torch run docs test || return
  mkdir -p "$WORK/unpacked" && tar xzf "$WORK"/dist/*.tar.gz -C "$WORK/unpacked" || return
  cd "$WORK"/unpacked/* || return
  "$WORK/tester/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable . || return
  "$WORK/tester/bin/python" -m pytest --collect-only -q >"$WORK/collected" || { tail -20 "$WORK/collected"; return 1; }
  tail -1 "$WORK/collected"
  # What reads files of the repository: records, documents, golden pages, examples.
  "$WORK/tester/bin/python" -m pytest -m "not slow" tests/freezing tests/report tests/test_benchmarks.py \
    tests/test_developing.py tests/test_examples.py tests/test_house.py
}

bounds() {
  environment "$WORK/uv" pins || return
  # shellcheck disable=SC2086
  (cd "$COPY" && "$WORK/uv/bin/python" requirements/bounds.py "$1" --python "$("$PYTHON" -c 'import sys; print(sys.executable)')" ${BOUNDS:-})
}
step_lowest() { bounds lowest; }
step_newest() { bounds newest; }
step_test() { make -C "$COPY" test; }

[ $# -gt 0 ] || set -- "${STEPS[@]}"
for step in "$@"; do
  case " ${KNOWN[*]} " in
    *" $step "*) ;;
    *)
      echo "first_hour.sh: there is no step '$step'; there are: ${KNOWN[*]}" >&2
      exit 2
      ;;
  esac
done
mkdir -p "$HOME" "$LOGS"
copy "$COPY" || exit 2

table="" failed=0
for step in "$@"; do
  echo "== $step"
  start=$SECONDS
  ("step_$step") 2>&1 | tee "$LOGS/$step.log"
  status=${PIPESTATUS[0]}
  case $status in
    0) said=passed ;;
    "$SKIPPED") said="skipped: $(tail -1 "$LOGS/$step.log")" ;;
    *) said="FAILED ($status)" failed=1 ;;
  esac
  table+=$(printf '| %-9s | %6s s | %s |' "$step" $((SECONDS - start)) "$said")$'\n'
done
printf '\n| %-9s | %8s | %s |\n|---|---:|---|\n%s' step time outcome "$table"
[ -z "${KEEP:-}" ] || echo "the folder it worked in: $WORK"
exit $failed
