"""`invdesflow db`: the server, its indexes, and the health of what it holds."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from invdesflow.cli.check import check
from invdesflow.cli.output import JsonFlag, print_json, print_table, say

app = typer.Typer(help="The database: server, indexes, validation, backup.", no_args_is_help=True)
app.command()(check)


@app.command()
def start() -> None:
    """Start the local database server."""
    from invdesflow.database import Database
    from invdesflow.settings import get_settings

    server = Database.server_of(get_settings())
    started = server.start()
    say(f"The local database {'is up' if started else 'was up already'} on {server.address}.")


@app.command()
def stop() -> None:
    """Stop the local database server."""
    from invdesflow.database import Database
    from invdesflow.settings import get_settings

    stopped = Database.server_of(get_settings()).stop()
    say("The local database is stopped." if stopped else "The local database was not running.")


@app.command()
def status(json: JsonFlag = False) -> None:
    """Show whether the local server runs, where, and what it holds."""
    from invdesflow.database import Database
    from invdesflow.database.validation import count_documents
    from invdesflow.settings import get_settings

    settings = get_settings()
    state = asdict(Database.server_of(settings).status())
    if state["running"]:
        with Database(settings=settings, read_only=True) as database:
            state["documents"] = count_documents(database)
    if json:
        print_json([state])
        return
    documents = state.pop("documents", {})
    print_table([{"what": key, "value": value} for key, value in state.items()], {"what": "server", "value": ""})
    if documents:
        rows = [{"collection": name, "documents": count} for name, count in documents.items()]
        print_table(rows, {"collection": "collection", "documents": "documents"})


@app.command()
def indexes(json: JsonFlag = False) -> None:
    """Create missing indexes and list them all."""
    from invdesflow.database import Database

    with Database() as database:
        rows = [
            {
                "collection": name,
                "index": index,
                "fields": [f"{'-' if direction == -1 else ''}{field}" for field, direction in info["key"]],
                "unique": bool(info.get("unique", False)),
            }
            for name in database.store_file.collections
            for index, info in sorted(database.raw[name].index_information().items())
            if index != "_id_"
        ]
    if json:
        print_json(rows)
    else:
        print_table(rows, {"collection": "collection", "fields": "fields", "unique": "unique"})


@app.command()
def validate(json: JsonFlag = False) -> None:
    """Hold every stored document against its model; exit code 1 if one does not fit."""
    from invdesflow.database import Database
    from invdesflow.database.models import COLLECTION_MODELS
    from invdesflow.database.validation import count_documents, find_invalid_documents
    from invdesflow.progress import track

    with Database(read_only=True) as database:
        total = sum(count_documents(database).values())
        invalid = [
            asdict(document)
            for name in track(list(COLLECTION_MODELS), "validating")
            for document in find_invalid_documents(database, name)
        ]
    if json:
        print_json(invalid)
    elif invalid:
        print_table(invalid, {"collection": "collection", "identifier": "document", "reason": "reason"})
    say(f"{total} documents looked at, {len(invalid)} do not fit their model.")
    if invalid:
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring documents of older schema versions to the current one."""
    from invdesflow.database import Database
    from invdesflow.database.migrations import migrate as migrate_documents

    with Database() as database:
        counts = migrate_documents(database)
    say(", ".join(f"{name}: {count} migrated" for name, count in counts.items()) or "Every document is current.")


@app.command()
def backup(archive: Annotated[Path, typer.Argument(help="File to write, such as backup.tar.gz")]) -> None:
    """Write everything, blobs included, to one archive."""
    from invdesflow.database import Database
    from invdesflow.database.backup import backup as write_backup

    with Database(read_only=True) as database:
        counts = write_backup(database, archive)
    say(f"{sum(counts.values())} documents of {len(counts)} collections written to {archive}.")


@app.command()
def restore(archive: Annotated[Path, typer.Argument(help="File that 'db backup' wrote")]) -> None:
    """Write the documents of an archive into the database; those with the same key are replaced."""
    from invdesflow.database import Database
    from invdesflow.database.backup import restore as read_backup

    with Database() as database:
        counts = read_backup(database, archive)
    say(f"{sum(counts.values())} documents of {len(counts)} collections restored from {archive}.")


@app.command()
def schemas(
    folder: Annotated[Path, typer.Argument(help="Folder to write to")] = Path("stores/schemas"),
    check: Annotated[bool, typer.Option("--check", help="Compare with the files instead of writing them.")] = False,
) -> None:
    """Export the JSON schema of every document model."""
    from invdesflow.database.models import COLLECTION_MODELS, document_model
    from invdesflow.database.schemas import write_schemas

    models = {name: document_model(name).model_json_schema() for name in COLLECTION_MODELS}
    write_schemas(models, folder, check=check)
