"""What holds for every test."""

import signal

from hypothesis import settings

# A slow machine is no failure: no test asserts how long something takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell that starts us in the background has Ctrl-C ignored, and whatever we start inherits that:
# tests that press it would wait in vain.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
