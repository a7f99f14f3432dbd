"""The command line, `wandb-swan`."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from .commands.convert import convert
from .commands.demo import demo
from .commands.doctor import doctor
from .commands.relay import relay
from .commands.resume import resume
from .commands.run import run
from .commands.sidecar import sidecar
from .commands.status import status
from .commands.verify import verify
from .commands.view import view
from .exceptions import WandbSwanError


class _Group(click.Group):
    """Says what is wrong in one line, exit code 2; never a traceback."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*args, **more)
        except click.UsageError as error:
            raise _in_one_line(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _in_one_line(error) from None
        except WandbSwanError as error:
            click.echo(f"wandb-swan: {error}", err=True)
            ctx.exit(2)
        except OSError as error:
            click.echo(f"wandb-swan: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
            ctx.exit(2)


def _in_one_line(error: click.UsageError) -> Exception:
    """A wrong option or argument in one line; click itself prints its usage too. The error itself if it is the help."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error
    command = error.ctx.command_path if error.ctx else "wandb-swan"
    message = " ".join(error.format_message().split()).rstrip(".")
    click.echo(f"wandb-swan: {message}; type `{command} --help`", err=True)
    return click.exceptions.Exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wandb-swan", prog_name="wandb-swan")
@click.pass_context
def main(context: click.Context) -> None:
    """Record wandb runs in SwanLab as well."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the terminal's encoding does not have is no failure
    if context.invoked_subcommand not in {"run", "doctor"}:  # the program says it, and the table
        from .switches import unknown_variables

        for sentence in unknown_variables():
            click.echo(f"wandb-swan: {sentence}", err=True)


for command in (run, status, resume, relay, convert, verify, view, doctor, sidecar, demo):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="wandb-swan")
