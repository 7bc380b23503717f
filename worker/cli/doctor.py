import typer
from rich.markup import escape
from rich.table import Table

from worker.cli.terminal import AsJson, console, print_json
from worker.database.engine import opened_engine
from worker.operations.doctor import Finding, examine
from worker.settings import load_settings
from worker.stream.consumer import EventStream


def doctor(*, as_json: AsJson = False) -> None:
    """Check Redis, the drains, the database, the schema and the clock. Exit code 1 if something needs a change."""
    settings = load_settings()
    with EventStream.opened(settings.redis_url) as stream, opened_engine(settings.database_url) as engine:
        findings = list(examine(stream, engine))
    if as_json:
        print_json([{"subject": f.subject, "found": f.found, "advice": f.advice, "well": f.well} for f in findings])
    else:
        console.print(findings_table(findings))
    raise typer.Exit(code=0 if all(finding.well for finding in findings) else 1)


def findings_table(findings: list[Finding]) -> Table:
    table = Table(title="The doctor's findings", title_justify="left")
    for heading in ("", "checked", "found", "what to change"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        mark, style = ("✓", "green") if finding.well else ("✗", "red")
        table.add_row(f"[{style}]{mark}[/]", finding.subject, escape(finding.found), escape(finding.advice))
    return table
