"""`make bench`: every table, one after the other."""

from benchmarks import coldstart, decider, idle
from benchmarks.gateway import __main__ as gateway

if __name__ == "__main__":
    gateway.main()
    print()
    decider.main()
    print()
    coldstart.main()
    print()
    idle.main()
