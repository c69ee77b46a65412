"""`utsuwa demo`."""

import click


@click.command("demo", short_help="See it scale: the experiment from zero to 13 pods and back.")
@click.option(
    "--percent",
    type=click.Choice(["100", "70"]),
    default="100",
    show_default=True,
    help="Target percentage of the concurrency: 100 as in the original, 70 is today's default.",
)
@click.option(
    "--full", is_flag=True, help="All 150,000 requests, twice, and the original stable window."
)
@click.option("--keep", is_flag=True, help="Leave the cluster running until Ctrl-C.")
def command(*, percent: str, full: bool, keep: bool) -> int:
    """Run the experiment that Knative's autoscaler is known for, on a cluster of its own.

    500 requests of one second are held in flight against a service at zero: first with 80 of them
    at most in one pod, then with 40. You see a line a second, a summary of each run, and both
    beside the figures of the original, measured in 2019 on three machines. Takes about two
    minutes; with --full about eleven. Exit code 0 only if no request failed and the pods were as
    many as the algorithm asks for.

    \b
    Examples:
      utsuwa demo
      utsuwa demo --percent 70     # with today's default: 9 and 18 pods
      utsuwa demo --full
    """
    from utsuwa.app.demo import DemoOptions, run

    return run(DemoOptions(percent=int(percent), full=full, keep=keep))
