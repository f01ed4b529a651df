#!/usr/bin/env bash
# Does what an author does with `rheed-acquire new-plugin`, from a wheel and in a fresh virtual environment: scaffold,
# install, test, stream. The first failure ends it. Usage: check_scaffold.sh PYTHON SCRATCH UV WHEEL
set -euo pipefail
python="$1"
scratch="$(cd "$2" && pwd)/scaffold"
install=("$3" pip install -q --constraint "$PIP_CONSTRAINT" --build-constraint "$PIP_CONSTRAINT")
wheel="$4"
checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
name=two-words
plugin="rheed-acquire-$name"
called_back=called-back

mkdir "$scratch"
"$3" venv -q --python "$python" "$scratch/environment"
# shellcheck disable=SC1091
. "$scratch/environment/bin/activate"
# A folder of its own, in which no module and no setting of the checkout is found.
cd "$scratch"
export RHEED_SPOOL_DIR="$scratch/spool"

"${install[@]}" "$wheel"
code=0
rheed-acquire new-plugin "$name" --defaults 2>refusal.txt || code=$?
cat refusal.txt
if [ "$code" -ne 2 ] || ! grep -qF 'pip install "rheed-acquire[author]"' refusal.txt || [ -e "$plugin" ]; then
    echo "without the extra, new-plugin ended with $code" >&2
    exit 1
fi

"${install[@]}" "$wheel[author]"
rheed-acquire new-plugin "$name" --defaults
rheed-acquire new-plugin "$called_back" --defaults --callback
for camera in "$name" "$called_back"; do
    python "$checkout/.ci/check_public_imports.py" "rheed-acquire-$camera"
    "${install[@]}" -e "rheed-acquire-$camera[test]"
    (
        cd "rheed-acquire-$camera"
        ruff check --no-cache
        ruff format --check --no-cache
        mypy
        python -m pytest -q
    )

    rheed-acquire --camera "$camera" --duration 2 --drain-timeout 60 --json >report.json
    python - "$camera" <<'EOF'
import json
import sys

report = json.load(open("report.json", encoding="utf-8"))
camera, received, pushed = report["camera"], report["frames_received"], report["frames_pushed"]
# 100 frames/s for two seconds; a busy machine may be late, but none may be missing.
if camera != sys.argv[1] or pushed != received or received < 100:
    sys.exit(f"{received} frames received from {camera}, {pushed} pushed: {report}")
print(f"{camera}: {pushed} frames arrived")
EOF
done

# A name that is taken, now by the plugin itself.
code=0
rheed-acquire new-plugin "$name" --dir elsewhere --defaults 2>refusal.txt || code=$?
cat refusal.txt
[ "$code" -eq 2 ] && grep -q "is taken by $plugin 0.1.0" refusal.txt
