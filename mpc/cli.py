"""The command `mpc`: plan a script, run it here with a process per party, or take part in a session over a network."""

from __future__ import annotations

import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import mpc
from mpc.bench.commands import bench_app
from mpc.command.keys import PassphraseCommand, PassphraseFile, key_app, keygen, roster_app
from mpc.command.saves import saved_app
from mpc.command.stewards import approve, approver_app, policy_app, review, revoke, study_app
from mpc.errors import MpcError, UsageError
from mpc.rules import Imposed

# Everything else is imported by the command that needs it: `mpc --help` and the start of `mpc run` wait for nothing.
TRACEBACK = "--traceback"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(roster_app, name="roster")
app.add_typer(key_app, name="key")
schema_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Draft a schema from a file, and test files against it.")
app.add_typer(schema_app, name="schema")
app.add_typer(bench_app, name="bench")

audit_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show, check and export what this site did.")
app.add_typer(audit_app, name="audit")


class KernelName(StrEnum):
    """The kernels there are."""

    auto = "auto"
    native = "native"
    reference = "reference"


class Format(StrEnum):
    """The formats of tables among the results."""

    csv = "csv"
    parquet = "parquet"
    npz = "npz"


Script = Annotated[Path, typer.Argument(metavar="SCRIPT", help="Python script that defines main(s).")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", metavar="FILE", help="schema.toml beside the script by default.")]
Eager = Annotated[bool, typer.Option("--eager", help="Run every operation at once instead of segment by segment.")]
Memory = Annotated[
    int,
    typer.Option("--memory", min=1, metavar="MIB", help="Run what is recorded once its results would take so many MiB."),
]
KernelOption = Annotated[KernelName, typer.Option("--kernel", help="Local arithmetic.")]
Threads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Threads that one large local operation may use.")]
Deadline = Annotated[float, typer.Option("--deadline", min=0.1, metavar="SECONDS", help="How long a connected peer may be silent.")]
Patience = Annotated[
    float | None,
    typer.Option(
        "--patience",
        min=0.1,
        metavar="SECONDS",
        help="How long a peer may be alive without getting to where it is awaited; 20 times the deadline by default.",
    ),
]
Wait = Annotated[float, typer.Option("--wait", min=0.1, metavar="SECONDS", help="How long to wait for the others to appear.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write what each party receives into DIR/PARTY, which only its owner can read."),
]
Formats = Annotated[
    list[Format] | None,
    typer.Option(
        "--format", help="With --out: how to write tables, csv by default; repeatable. results.npz always holds everything."
    ),
]
StateFolder = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Where the record of this run is kept, for mpc status; ~/.local/state/mpc/runs."),
]
LogFile = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help="Append what happens, one JSON object a line; never a value.")
]
LedgerFolder = Annotated[
    Path | None, typer.Option("--ledger", metavar="DIR", help="This site's ledger; beside the records of its runs by default.")
]
ProfileOption = Annotated[bool, typer.Option("--profile", help="Show where the time went, by line of the script.")]
TraceFile = Annotated[
    Path | None, typer.Option("--trace", metavar="FILE", help="Write a timeline for chrome://tracing or Perfetto; never a value.")
]
Confinement = Annotated[
    bool, typer.Option("--require-confinement", help="Refuse to run where the script's process cannot be kept from everything.")
]
MostMemory = Annotated[
    int,
    typer.Option(
        "--most-memory", min=0, metavar="MIB", help="Address space of the script's process; 0: nine tenths of the memory."
    ),
]
Readable = Annotated[
    list[Path] | None,
    typer.Option("--readable", metavar="PATH", help="What the script's process may read besides Python's own files; repeatable."),
]
RosterFile = Annotated[Path, typer.Option("--roster", metavar="FILE", help="The roster, the same for all participants.")]
Listen = Annotated[
    str,
    typer.Option("--listen", metavar="HOST:PORT", help="Where to listen, if a gateway forwards my roster address to this machine."),
]
KeyFile = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="My key; NAME.key beside the roster by default.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"mpc {mpc.__version__}")
        raise typer.Exit


EPILOG = """Examples:

\b
  mpc run fit.py                         run with a process per party, on this machine
  mpc run --debug fit.py                 run in this one process, where pdb works
  mpc plan fit.py                        rounds, bytes and every reveal, without any data
  mpc plan --by-line fit.py              which line of the script costs what
  mpc bench profile                      measure this machine, so that plans tell seconds
  mpc schema infer clinic.csv            a draft of what the parties agree on about a file
  mpc schema check --as clinic           test my own files against the agreed schema
  mpc keygen clinic --address 10.0.0.5:7000
  mpc roster add roster.toml clinic.toml insurer.toml dealer.toml
  mpc doctor --roster roster.toml --as clinic
  mpc party --roster roster.toml --as clinic fit.py
  mpc dealer --roster roster.toml
  mpc plan fit.py --save fit.plan        and then, to deal for one session beforehand:
  mpc dealer --roster roster.toml --store fit.plan -o store
  mpc party --roster roster.toml --as clinic fit.py --store clinic.part
  mpc study new fit.py --roster roster.toml ...     draft what people approve; then, at each site:
  mpc review study.toml --policy policy.toml
  mpc approve study.toml --key ada.approver.key
  mpc party --roster roster.toml --as clinic fit.py --study study.toml --policy policy.toml
  mpc status                             the latest runs here, and why the last failure was one
  mpc audit outputs                      all that has left this site, and to whom
  mpc audit verify                       whether ledger and certificates hold
  mpc saved list                         the shares of models that this site keeps
  mpc bench models                       how long whole jobs take here, and what of it binds
"""


app.command()(keygen)
app.add_typer(study_app, name="study")
app.add_typer(policy_app, name="policy")
app.command()(review)
app.add_typer(approver_app, name="approver")
app.add_typer(saved_app, name="saved")
app.command()(approve)
app.command()(revoke)


@app.callback(epilog=EPILOG)
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
    traceback: Annotated[bool, typer.Option(TRACEBACK, help="Show the calls that led to an error; may show data.")] = False,
) -> None:
    """Secure multiparty computation: sites compute on their joint data and reveal only agreed results."""


@app.command()
def run(
    context: typer.Context,
    script: Script,
    debug: Annotated[bool, typer.Option("--debug", help="All parties in this one process, unprotected, for pdb.")] = False,
    eager: Eager = False,
    memory: Memory = 1024,
    kernel: KernelOption = KernelName.auto,
    threads: Threads = 1,
    schema: SchemaFile = None,
    data: Annotated[list[str] | None, typer.Option("--data", metavar="PARTY=FILE", help="A party's data.toml; repeatable.")] = None,
    out: Out = None,
    formats: Formats = None,
    deadline: Deadline = 30.0,
    patience: Patience = None,
    profile: ProfileOption = False,
    trace: TraceFile = None,
    state: StateFolder = None,
    log: LogFile = None,
) -> None:
    """Run a script here: a process for each party and the dealer, keys for this run alone, all data read from this machine."""
    from mpc.command.launch import Run
    from mpc.command.launch import run as launch

    files, wanted = dict(_assignment(entry) for entry in data or []), _formats(formats, out)
    if debug:
        from mpc.command.alone import debug as debug_here

        if out is not None:
            why = "one process has seen the data of all parties"
            raise UsageError("A debugging run writes no results.", why=why, do="leave out --out")
        if profile or trace is not None:
            why = "one process plays all parties and waits for nobody"
            raise UsageError("A debugging run has no profile.", why=why, do="leave out --debug")
        debug_here(script, schema, files, memory=_bytes(memory, eager), kernel=kernel.value)
    else:
        calls, within = bool(context.obj), _bytes(memory, eager)
        limits = deadline, patience
        launch(Run(script, schema, files, out, wanted, within, kernel.value, threads, *limits, calls, profile, trace, state, log))


@app.command()
def plan(
    script: Script,
    eager: Eager = False,
    memory: Memory = 1024,
    schema: SchemaFile = None,
    study: Annotated[
        Path | None, typer.Option("--study", metavar="STUDY", help="Plan under the release rules that this study states.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the plan as JSON too.")] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Write what a dealer deals a store from.")] = None,
    by_line: Annotated[bool, typer.Option("--by-line", help="Show which line of the script costs what.")] = False,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="Estimate seconds from this profile; what mpc bench profile wrote."),
    ] = None,
) -> None:
    """Show what a script costs and all that it reveals; needs the schema, but neither data nor network."""
    from mpc.command import review, show
    from mpc.command.program import agreement, facts, in_full, loaded, planned
    from mpc.command.waiting import patiently

    with in_full(), loaded(script, schema, _imposed(study)) as program:
        within = _bytes(memory, eager)
        if save is None:
            with patiently(f"planning {script.name}"):
                made = planned(program, program.schema.parties[0], memory=within, accounts=True)
            stated = facts(program, made)
        else:
            from mpc.command import stores

            made, stated = stores.save(save, program, memory=within)
            print(f"Saved for a dealer: {save}\n")
        texts = review.texts(program) if by_line else None
    prices = review.profile(profile)
    show.plan(made, stated, agreement(stated), lambda: review.costs(made, prices, texts))
    if json is not None:
        from mpc.command.alone import write_plan

        write_plan(json, made, stated, review.document(made, prices))


@schema_app.command("infer")
def schema_infer(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, Parquet, Arrow or NumPy file.")],
    name: Annotated[str | None, typer.Option("--name", metavar="TABLE", help="The table's name; the file's by default.")] = None,
    party: Annotated[str, typer.Option("--party", metavar="NAME", help="Who holds it.")] = "owner",
    categories: Annotated[bool, typer.Option("--categories", help="Write out code lists, which become public.")] = False,
) -> None:
    """Draft the schema of a file: its columns' names and types; what only people can agree on is left open."""
    from mpc.command import schemas

    print(schemas.infer(file, party, name, categories=categories), end="")


@schema_app.command("check")
def schema_check(
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who I am in the schema.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="NAME.data.toml beside the schema by default.")
    ] = None,
    schema: Annotated[Path, typer.Option("--schema", metavar="FILE", help="The schema.")] = Path("schema.toml"),
) -> None:
    """Test my tables against the schema, and list what does not fit; nobody else is asked or told."""
    from mpc.command import schemas

    raise typer.Exit(schemas.check(name, schema, data))


@app.command()
def party(
    context: typer.Context,
    script: Script,
    roster: RosterFile,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who I am in roster and schema.")],
    key: KeyFile = None,
    listen: Listen = "",
    data: Annotated[Path | None, typer.Option("--data", metavar="FILE", help="My data.toml; NAME.data.toml by default.")] = None,
    schema: SchemaFile = None,
    approve_plan: Annotated[
        str | None, typer.Option("--approve", metavar="DIGEST", help="Agree to the plan with this digest.")
    ] = None,
    out: Out = None,
    formats: Formats = None,
    wait: Wait = 600.0,
    deadline: Deadline = 30.0,
    patience: Patience = None,
    eager: Eager = False,
    memory: Memory = 1024,
    kernel: KernelOption = KernelName.auto,
    threads: Threads = 1,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="FILE", help="My part of a store dealt beforehand; the session burns it.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", metavar="FILE", help="Run by this approved study, asking nobody.")
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="With --study: what this site allows.")] = None,
    profile: ProfileOption = False,
    trace: TraceFile = None,
    state: StateFolder = None,
    log: LogFile = None,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    ledger: LedgerFolder = None,
    confinement: Confinement = False,
    most: MostMemory = 0,
    readable: Readable = None,
) -> None:
    """Take part as one party, with my own data only, once I have agreed to what is revealed."""
    from mpc.command.child import script_process

    if (study is None) != (policy is None) or (study is not None and approve_plan is not None):
        do = "give --study and --policy without --approve, or none of the two"
        raise UsageError("--study FILE and --policy FILE belong together, in place of --approve.", do=do)
    with script_process(script, most << 20, tuple(readable or ())) as process:  # first, so that both processes load at once
        from mpc.command import site
        from mpc.passphrase import Source

        source = Source(passphrase_file, passphrase_command)
        options = _formats(formats, out), listen, state, log, store, profile, trace, source, study, policy, ledger
        order = site.Order(roster, name, key, wait, deadline, patience, kernel.value, threads, *options)
        job = site.Job(script, schema, data, out, approve_plan, _bytes(memory, eager), confinement, bool(context.obj))
        site.party(order, job, process)


@app.command()
def dealer(
    roster: RosterFile,
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who I am; the roster's dealer by default.")] = None,
    key: KeyFile = None,
    listen: Listen = "",
    wait: Wait = 600.0,
    deadline: Deadline = 30.0,
    patience: Patience = None,
    kernel: KernelOption = KernelName.auto,
    threads: Threads = 1,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="PLAN", help="Deal a store beforehand, for what mpc plan --save wrote.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="With --store: the new folder for the parties' parts.")
    ] = None,
    profile: ProfileOption = False,
    trace: TraceFile = None,
    state: StateFolder = None,
    log: LogFile = None,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
) -> None:
    """Hand out correlated randomness for one session, or beforehand; sees no data and no results."""
    if (store is None) != (out is None):
        do = "give both to deal a store beforehand, or none to serve a session"
        raise UsageError("--store PLAN and -o DIR belong together.", do=do)
    from mpc.passphrase import Source

    passphrase = Source(passphrase_file, passphrase_command)
    if store is not None and out is not None:
        from mpc.command import stores

        if profile or trace is not None or log is not None:
            do = "leave them out; mpc status shows what was dealt"
            raise UsageError("--log, --profile and --trace are about a session.", do=do)
        stores.deal(roster, name, key, store, out, state, kernel.value, passphrase)
        return
    from mpc.command import site

    options = (), listen, state, log, None, profile, trace, passphrase
    site.dealer(site.Order(roster, name, key, wait, deadline, patience, kernel.value, threads, *options))


@app.command()
def doctor(
    roster: RosterFile,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who I am in the roster.")],
    key: KeyFile = None,
    listen: Listen = "",
    script: Annotated[Path | None, typer.Option("--script", metavar="SCRIPT", help="Compare script, plan and schema, too.")] = None,
    schema: Annotated[Path | None, typer.Option("--schema", metavar="FILE", help="Compare the schema, too.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results are to be written.")] = Path(),
    wait: Wait = 60.0,
    idle: Annotated[
        float, typer.Option("--idle", min=0, max=3600, metavar="SECONDS", help="Silence to test, the same at everybody; 0: none.")
    ] = 5.0,
    eager: Eager = False,
    memory: Memory = 1024,
    kernel: KernelOption = KernelName.auto,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
) -> None:
    """Find out with everybody's doctors, before a session, what works between these machines and who must change what."""
    from mpc.command.doctor import Examination, examine
    from mpc.command.ending import terminable
    from mpc.passphrase import Source

    with terminable():
        options = _bytes(memory, eager), kernel.value, Source(passphrase_file, passphrase_command)
        order = Examination(roster, name, key, listen, script, schema, out, wait, idle, *options)
        report = examine(order, lambda line: print(line, flush=True))
        report.show()
    raise typer.Exit(report.code)


@app.command()
def status(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="The folder that --state named, if any.")] = None,
    count: Annotated[int, typer.Option("--last", min=1, max=500, metavar="N", help="How many runs to show.")] = 15,
) -> None:
    """Show the latest runs at this site: where they stand or how they ended, and why."""
    from mpc.command.status import status as show_status

    show_status(folder, count)


@audit_app.command("verify")
def audit_verify(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="My ledger's folder, then others'.")] = None,
    state: StateFolder = None,
    ledger: LedgerFolder = None,
) -> None:
    """Check ledgers, approvals and certificates; of several sites, against each other. The first one's keys are believed."""
    from mpc.command import audit

    named = not folders or state is not None or ledger is not None
    raise typer.Exit(audit.verify([*([audit.found(ledger, state)] if named else []), *(folders or [])]))


@audit_app.command("runs")
def audit_runs(state: StateFolder = None, ledger: LedgerFolder = None) -> None:
    """List every session of this site, and how it ended."""
    from mpc.command import audit

    audit.runs(audit.found(ledger, state))


@audit_app.command("outputs")
def audit_outputs(
    state: StateFolder = None,
    ledger: LedgerFolder = None,
    which: Annotated[str | None, typer.Option("--open", metavar="SESSION:NUMBER", help="Open this reveal's commitment.")] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="With --open: write what convinces somebody.")] = None,
    results: Annotated[
        Path | None, typer.Option("--results", metavar="DIR", help="With --open: find the number in what --out DIR/PARTY holds.")
    ] = None,
) -> None:
    """List all that was revealed, to whom and by which rules; or show that a number is the one that was certified."""
    from mpc.command import audit

    if which is None and (to is not None or results is not None):
        raise UsageError("--to and --results belong to --open.", do="add --open SESSION:NUMBER")
    if which is None:
        audit.outputs(audit.found(ledger, state))
    else:
        audit.disclose(audit.found(ledger, state), which, to, results)


@audit_app.command("approvals")
def audit_approvals(
    state: StateFolder = None,
    ledger: LedgerFolder = None,
    policy: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="Who has which key: ledgers name nobody.")] = None,
) -> None:
    """List who approved or revoked what here, what was refused, and what ran."""
    from mpc.command import audit

    audit.approvals(audit.found(ledger, state), policy)


@audit_app.command("export")
def audit_export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, say audit.zip.")],
    roster: RosterFile,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who I am in the roster.")],
    key: KeyFile = None,
    state: StateFolder = None,
    ledger: LedgerFolder = None,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
) -> None:
    """Write one archive for an auditor: ledger, certificates, approvals, keys and the verifier; no value that was revealed."""
    from mpc.command import audit
    from mpc.passphrase import Source
    from mpc.roster import Roster

    known = Roster.load(roster)
    source, mine = Source(passphrase_file, passphrase_command), key or roster.parent / f"{name}.key"
    held = audit.opened(audit.place(ledger, state, name), known, name, mine, source)
    audit.export(held, out)


def _imposed(study: Path | None) -> Imposed:
    if study is None:
        return {}
    from mpc.command.studies import imposed

    return imposed(study)


def _bytes(memory: int, eager: bool) -> int:
    """What may be recorded before it is run: nothing where every operation is to run at once."""
    return 0 if eager else memory << 20


def _assignment(entry: str) -> tuple[str, Path]:
    name, separator, path = entry.partition("=")
    if not (name and separator and path):
        do = "write for example --data clinic=clinic.data.toml"
        raise UsageError("--data is not of the form PARTY=FILE.", where=f"--data {entry}", do=do)
    return name, Path(path)


def _formats(chosen: list[Format] | None, out: Path | None) -> tuple[str, ...]:
    if chosen and out is None:
        raise UsageError("--format is about files that are not written.", do="add --out DIR")
    return tuple(one.value for one in chosen or [Format.csv])


def _open_streams() -> None:
    """Stand-ins for closed standard streams, or the first pipes and sockets opened would take their places."""
    for number, mode in enumerate(("r", "w", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        name = ("stdin", "stdout", "stderr")[number]
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def main() -> None:
    """The entry point: errors become a screenful on standard error and their family's exit code."""
    _open_streams()
    arguments = sys.argv[1:]
    show_calls = TRACEBACK in arguments  # wherever it stands
    arguments = [argument for argument in arguments if argument != TRACEBACK]
    try:
        app(arguments, prog_name="mpc", obj=show_calls)
    except MpcError as error:
        from mpc.command.launch import RunFailed
        from mpc.command.show import one_screen

        if show_calls and not isinstance(error, RunFailed):  # the process that failed has shown its own
            traceback.print_exc()
        print(one_screen(f"error: {error}"), file=sys.stderr)
        print(f"  then: {error.then} (exit code {error.exit_code}: docs/errors.md)", file=sys.stderr)
        sys.exit(error.exit_code)
    except BaseException as error:
        from mpc.command.ending import Terminated, exit_code

        if isinstance(error, SystemExit):
            raise
        if not isinstance(error, KeyboardInterrupt | Terminated):  # something nobody has thought of; its text may hold data
            _show_unexpected(error, show_calls)
        sys.exit(exit_code(error))


def _show_unexpected(error: BaseException, show_calls: bool) -> None:
    from mpc.command.reports import failure

    if show_calls:
        traceback.print_exc()
    told = failure(error)
    print(f"error: {told.what}\n  do: {told.do}\n  then: {MpcError.then} (exit code 1: docs/errors.md)", file=sys.stderr)


if __name__ == "__main__":
    main()
