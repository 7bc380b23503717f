.PHONY: setup test check demo ci

setup: ; uv sync
test: ; uv run pytest
check: ; uv run ruff check && uv run ruff format --check && uv run mypy && uv run lint-imports && uv run deptry worker
demo: ; uv run zik demo
ci: ; .ci/run
