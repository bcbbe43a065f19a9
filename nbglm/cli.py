"""The command line: ``nbglm demo``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nbglm import __version__
from nbglm.exceptions import NbglmError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbglm",
        description="Negative binomial GLMs with formulas for the mean and the dispersion.",
    )
    parser.add_argument("--version", action="version", version=f"nbglm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="fit simulated and real data and print what comes out",
        description="Without --data: a simulation with known truth, and real data beside "
        "statsmodels; neither needs a network. With --data: your own counts.",
    )
    demo.add_argument("--data", metavar="FILE.h5ad", help="fit this file instead")
    demo.add_argument(
        "--mean", default="~ .", help="mean formula for --data (default: %(default)s)"
    )
    demo.add_argument(
        "--dispersion", default="~ 1", help="dispersion formula for --data (default: %(default)s)"
    )
    demo.add_argument("--layer", help="layer of --data that holds the counts (default: X)")
    demo.add_argument(
        "--seed", type=int, default=0, help="of the simulation (default: %(default)s)"
    )
    demo.add_argument("--n-jobs", type=int, help="parallel workers (default: 1)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of ``sys.argv``.

    Returns
    -------
    int
        0, or 1 after an error that was explained.
    """
    options = _parser().parse_args(arguments)
    from nbglm import demo  # after the parser, so that --help is quick

    try:
        if options.data:
            demo.demo_data(
                options.data, options.mean, options.dispersion, options.layer, options.n_jobs
            )
        else:
            demo.demo_simulation(options.seed, options.n_jobs)
            demo.demo_health_visits()
    except (NbglmError, OSError) as error:
        print(f"nbglm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
