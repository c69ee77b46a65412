"""`make bench`: every table, one after the other."""

from benchmarks import coldstart, idle
from benchmarks.gateway import __main__ as gateway

if __name__ == "__main__":
    gateway.main()
    print()
    coldstart.main()
    print()
    idle.main()
