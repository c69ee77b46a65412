"""A recording as one page of HTML: chart, summary, figures. It asks no other host for anything, is
light or dark as the reader's system is, and can be read without a script. Pure."""

import json
from html import escape

from utsuwa.app.observe import svg
from utsuwa.app.observe.recording import CLASSES, STATUSES, Recording
from utsuwa.app.observe.scene import Scene

_STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--muted:#59636e;--edge:#e3e7eb}
@media (prefers-color-scheme:dark){:root{--paper:#0f1419;--ink:#e9eef3;--muted:#9aa5b1;--edge:#232b33}}
body{margin:0 auto;padding:1.5rem;max-width:1240px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
figure{margin:0;position:relative;overflow-x:auto}
svg{max-width:100%;height:auto;min-width:640px}
#cross{stroke:var(--muted);stroke-width:1;visibility:hidden}
#tip{position:absolute;pointer-events:none;visibility:hidden;background:var(--paper);
border:1px solid var(--muted);border-radius:4px;padding:.4rem .6rem;font-size:13px;white-space:pre;
font-variant-numeric:tabular-nums}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
pre{overflow-x:auto;padding:1rem;border:1px solid var(--edge);border-radius:4px;font-size:13px}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid var(--edge)}
td:last-child,th:last-child{text-align:left}
.wide{overflow-x:auto;max-height:30rem;overflow-y:auto}
footer{color:var(--muted);margin-top:2rem;font-size:13px}
"""

_SCRIPT = """
const run=JSON.parse(document.getElementById('run').textContent),box=document.querySelector('figure'),
svg=box.querySelector('svg'),cross=document.getElementById('cross'),tip=document.getElementById('tip');
function point(event){
 const r=svg.getBoundingClientRect(),scale=run.width/r.width,x=(event.clientX-r.left)*scale;
 const at=Math.floor((x-run.left)/(run.right-run.left)*run.rows.length);
 const on=at>=0&&at<run.rows.length;
 cross.style.visibility=tip.style.visibility=on?'visible':'hidden';
 if(!on)return;
 const mid=run.left+(at+.5)/run.rows.length*(run.right-run.left);
 cross.setAttribute('x1',mid);cross.setAttribute('x2',mid);
 tip.textContent=at+' s\\n'+run.rows[at].map((v,i)=>run.names[i]+' '+v.toLocaleString('en')).join('\\n');
 const left=mid/scale,flip=left>r.width-tip.offsetWidth-30;
 tip.style.left=(flip?left-tip.offsetWidth-12:left+12)+'px';
 tip.style.top=Math.max(0,event.clientY-r.top-40)+'px';
}
svg.addEventListener('pointermove',point);
svg.addEventListener('pointerleave',()=>{cross.style.visibility=tip.style.visibility='hidden'});
"""

_TOLD = {
    **{name: f"{text}/s" for name, text in CLASSES.items()},
    "inFlight": "in flight", "waiting": "waiting", "ready": "pods ready",
    "desired": "pods desired", "p50": "p50 ms", "p95": "p95 ms", "p99": "p99 ms",
}  # fmt: skip


def page(recording: Recording, scene: Scene, *, summary: str = "", command: str = "") -> str:
    """The page; `summary` is that of the load, `command` what was typed."""
    names = [name for name in _TOLD if name not in STATUSES or recording.peak(name) > 0]
    columns = [recording.column(name) for name in names]
    rows = [list(values) for values in zip(*columns, strict=True)]
    plot = scene.plot
    data = {
        "width": scene.width, "left": plot.left, "right": plot.right,
        "names": [_TOLD[name] for name in names], "rows": rows,
    }  # fmt: skip
    cross = f'<line id="cross" y1="{plot.top:.0f}" y2="{plot.bottom:.0f}"/></svg>'
    chart = svg.element(scene).replace("</svg>", cross)
    told = f"<h2>Load</h2>\n<pre>{escape(summary.strip())}</pre>\n" if summary else ""
    made = f"Made by <code>{escape(command)}</code>" if command else "Made by utsuwa observe"
    script = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(scene.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<figure>
{chart}
<div id="tip" aria-hidden="true"></div>
</figure>
{told}<h2>Second by second</h2>
<div class="wide" tabindex="0" role="region" aria-label="Second by second">
{_table(recording, names, rows)}
</div>
</main>
<footer>{made}</footer>
<script type="application/json" id="run">{script}</script>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _table(recording: Recording, names: list[str], rows: list[list[float]]) -> str:
    heads = "".join(f'<th scope="col">{escape(_TOLD[name])}</th>' for name in names)
    lines = []
    for number, (second, row) in enumerate(zip(recording.seconds, rows, strict=True)):
        events = ", ".join(
            f"{event.kind} {event.revision}"
            for event in recording.events
            if int(event.time) == second
        )
        cells = "".join(f"<td>{value:,.10g}</td>" for value in row)
        lines.append(f'<tr><th scope="row">{number} s</th>{cells}<td>{escape(events)}</td></tr>')
    body = "\n".join(lines)
    return (
        f'<table>\n<thead><tr><th scope="col">time</th>{heads}<th scope="col">what happened</th>'
        f"</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )
