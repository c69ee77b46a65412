"""`make bench`: every table, one after the other."""

from benchmarks import (
    api,
    coldstart,
    coldstart_containers,
    coldstart_frozen,
    decider,
    idle,
    observed,
    warm,
)
from benchmarks.build import main as build
from benchmarks.gateway import __main__ as gateway
from benchmarks.gateway import bodies, calls, held, rate, share

if __name__ == "__main__":
    for table in (gateway, rate, bodies, held, share, calls):
        table.main()
        print()
    decider.main()
    print()
    api.main()
    print()
    for table in (coldstart, warm, coldstart_containers, coldstart_frozen):
        table.main()
        print()
    build()
    print()
    idle.main()
    print()
    observed.main()
