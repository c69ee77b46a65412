"""Watching a service: live in a terminal, and afterwards as a page, a picture, a table.

`recording.py` keeps what was seen; `chart.py` lays it out as shapes (`scene.py`), which `svg.py`
and `png.py` draw; `page.py` and `sheet.py` write the other forms; `terminal.py` draws with
characters. All of them are pure. `load.py` says what a load is to be, `watch.py` follows a service,
`conduct.py` is a run from beginning to end, `top.py` watches all services at once.
"""
